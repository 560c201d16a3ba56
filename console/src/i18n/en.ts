import { canary } from './canary.en'
import { flywheel } from './flywheel.en'
import { lineage } from './lineage.en'
import { plan } from './plan.en'

/** English. Its shape is the type every other language must fill. */
export const en = {
  appName: 'Feilun',
  close: 'Close',
  cancel: 'Cancel',
  saving: 'Saving…',
  saved: 'Saved',
  retry: 'Try again',
  copy: 'Copy',
  copied: 'Copied',
  loading: 'Loading…',
  skipToComposer: 'Skip to message box',

  nav: {
    label: 'Sections',
    chat: 'Chat',
    flywheel: 'Flywheel',
    plan: 'Plan',
    language: '切换到中文',
    languageShort: '中',
    theme: { system: 'Theme: follow the system', light: 'Theme: light', dark: 'Theme: dark' },
    help: 'Keyboard shortcuts',
  },

  sidebar: {
    label: 'Conversations',
    toggle: 'Show or hide the sidebar',
    newChat: 'New chat',
    search: 'Search conversations',
    clearSearch: 'Clear search',
    noMatches: (query: string) => `Nothing found for “${query}”`,
    empty: 'Your conversations will appear here.',
    more: 'Show older',
    loadFailed: 'The list could not be loaded.',
    groups: { pinned: 'Pinned', today: 'Today', yesterday: 'Yesterday', week: 'Previous 7 days', month: 'Previous 30 days', older: 'Older', results: 'Results' },
    menu: (title: string) => `Actions for “${title}”`,
    rename: 'Rename',
    renameLabel: 'New title',
    pin: 'Pin',
    unpin: 'Unpin',
    delete: 'Delete',
    deleted: (title: string) => `“${title}” was deleted`,
    undo: 'Undo',
    export: 'Export…',
    exportAll: 'Export all conversations',
    answering: 'Answering',
    unseen: 'New answer',
    untitled: 'New chat',
  },

  export: {
    title: 'Export',
    markdown: 'Markdown',
    markdownHint: 'For reading and sharing',
    jsonl: 'JSONL',
    jsonlHint: 'OpenAI message format with feedback, for programs and training',
    all: 'All conversations',
    allHint: 'Everything in this workspace as JSONL',
  },

  composer: {
    label: 'Your message',
    placeholder: 'Ask anything',
    send: 'Send',
    stop: 'Stop',
    hint: 'Answers can be wrong. Every correction you make helps the next version.',
    notSent: 'Not sent.',
    notReady: 'The model is not ready yet',
  },

  chat: {
    title: 'Chat',
    youSaid: 'You said',
    feilunSaid: 'Feilun answered',
    toolResult: 'Tool result',
    toolCall: 'Tool call',
    systemMessage: 'System message',
    thinking: 'Reading your message',
    started: 'Feilun is answering',
    finished: 'The answer is complete',
    stoppedLive: 'The answer was stopped',
    failedLive: 'The answer failed',
    regenerate: 'Regenerate',
    edit: 'Edit',
    editLabel: 'Edit your message',
    editSave: 'Send as a new branch',
    previous: 'Previous version',
    next: 'Next version',
    branchOf: (n: number, of: number) => `Version ${n} of ${of}`,
    toBottom: 'Jump to the newest message',
    status: {
      stopped: 'You stopped this answer.',
      interrupted: 'This answer was interrupted before its end.',
      failed: 'This answer failed.',
      generating: 'This answer is still being written.',
      length: 'This answer reached the length limit.',
      unanswered: 'This message has no answer yet.',
    },
    tokens: (n: number) => `${n} tokens`,
    loadFailed: 'This conversation could not be loaded.',
    notFound: 'This conversation does not exist any more.',
  },

  code: { copy: 'Copy code', region: 'Code', table: 'Table', formula: 'Formula', image: 'Image', done: 'Done', open: 'Not done' },

  compare: {
    open: 'Compare the versions',
    title: 'Which answer is better?',
    hint: 'The next version learns from your choice, once it has been reviewed.',
    answer: (letter: string) => `Answer ${letter}`,
    better: (letter: string) => `${letter} is better`,
  },

  feedback: {
    good: 'Good answer',
    bad: 'Bad answer',
    whyGood: 'What was good?',
    whyBad: 'What went wrong?',
    comment: 'Anything to add? (optional)',
    submit: 'Send',
    thanks: 'Saved. Thank you.',
    failed: 'Not saved.',
    tags: {
      wrong_fact: 'Wrong facts',
      not_following: 'Did not follow the request',
      incomplete: 'Incomplete',
      too_long: 'Too long',
      language: 'Wrong language or tone',
      unsafe: 'Unsafe',
      format: 'Bad format',
      other: 'Something else',
      correct: 'Correct',
      clear: 'Clear',
      complete: 'Complete',
      well_written: 'Well written',
    },
    correct: 'Correct this answer',
    correctLabel: 'The answer as it should have been',
    correctHint: 'Rewrite it the way you wanted it. Corrections are what Feilun learns from most.',
    correctSave: 'Save correction',
    corrected: 'Corrected',
    original: 'Original',
    version: 'Shown version',
    withdraw: 'Withdraw correction',
  },

  model: {
    label: 'Model',
    choose: (name: string) => `Model: ${name}`,
    none: 'No model',
    isDefault: 'default',
    context: (n: number) => `${n.toLocaleString('en')} tokens of context`,
    states: { ready: 'ready', loading: 'loading', cold: 'loads on first use', error: 'not available' },
  },

  settings: {
    title: 'Settings for this chat',
    titleNew: 'Settings for new chats',
    hintNew: 'Every new chat starts with these. They are kept in this browser.',
    hint: 'They apply from the next answer on.',
    system: 'System prompt',
    systemPlaceholder: 'For example: You are a patient teacher. Answer in three sentences.',
    temperature: 'Temperature',
    temperatureHint: 'Low is steady, high is inventive',
    topP: 'Top P',
    topPHint: 'Only the most probable words up to this share',
    maxTokens: 'Longest answer (tokens)',
    seed: 'Seed',
    seedHint: 'The same seed gives the same answer',
    auto: 'default',
    reset: (field: string) => `Use the default for ${field}`,
    asDefault: 'Use for new chats too',
    asDefaultDone: 'New chats will start with these settings',
    failed: 'The settings could not be saved.',
  },

  firstRun: {
    title: 'Your own ChatGPT, on your own machine',
    subtitle: 'It gets better as you use it: rate an answer, or correct it.',
    running: 'Running',
    licence: (name: string) => `Licence: ${name}`,
    noLicence: 'Licence not stated',
    data: 'Your data',
    dataHint: 'Conversations and feedback are kept in this folder',
    privacy: 'Privacy',
    local: 'Nothing leaves this machine',
    localHint: 'No account, no telemetry, no outside request',
    upstream: 'This model runs on another server',
    upstreamHint: (source: string) => `Your messages are sent to ${source}`,
    try: 'Three things to try',
    ideas: [
      { title: 'Explain something', prompt: 'Explain in three short points how a flywheel stores energy.' },
      { title: 'Write code', prompt: 'Write a Python function that checks whether a word is a palindrome, and show how to use it.' },
      { title: 'Help with words', prompt: 'Write a short, friendly email asking my manager for Friday off.' },
    ],
  },

  server: {
    unreachable: 'The server cannot be reached. What you type is kept; trying again…',
    notReady: 'The model is getting ready.',
  },

  help: {
    title: 'Keyboard shortcuts',
    newChat: 'New chat',
    search: 'Search conversations',
    stop: 'Stop the answer',
    copyLast: 'Copy the last answer',
    sidebar: 'Show or hide the sidebar',
    focus: 'Go to the message box',
    help: 'Show this list',
    send: 'Send',
    newline: 'New line',
  },

  canary,
  flywheel,
  lineage,
  plan,

  errors: {
    unreachable: 'The server cannot be reached.',
    copy: 'Copying is not allowed by this browser.',
    rename: 'The title could not be saved.',
    pin: 'The pin could not be saved.',
    delete: 'The conversation could not be deleted.',
    restore: 'The conversation could not be restored.',
  },
}

/** Same keys everywhere; texts and the order of words are each language's own. */
type Shape<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : T extends readonly (infer I)[]
      ? Shape<I>[]
      : { [K in keyof T]: Shape<T[K]> }

export type Dictionary = Shape<typeof en>
