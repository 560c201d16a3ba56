interface Props<T extends string> {
  label: string
  choices: readonly T[]
  chosen: T
  names: Record<T, string>
  counts?: Partial<Record<T, number>>
  onChoose: (choice: T) => void
  testId: string
}

/** Which of a few lists one sees. */
export function Choices<T extends string>({ label, choices, chosen, names, counts, onChoose, testId }: Props<T>) {
  return (
    <div role="group" aria-label={label} className="flex w-fit max-w-full flex-wrap gap-0.5 rounded-lg bg-hover p-0.5">
      {choices.map((choice) => (
        <button
          key={choice}
          type="button"
          aria-pressed={choice === chosen}
          onClick={() => onChoose(choice)}
          data-testid={testId}
          data-choice={choice}
          className="min-h-7 rounded-md px-2.5 text-xs font-medium text-muted aria-pressed:bg-raised aria-pressed:text-accent aria-pressed:shadow-low"
        >
          {names[choice]}
          {counts?.[choice] !== undefined && <span className="ml-1.5 tabular-nums">{counts[choice]}</span>}
        </button>
      ))}
    </div>
  )
}
