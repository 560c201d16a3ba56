import { create } from 'zustand'

/**
 * The text so far of the answers being written, by message id. It lies apart from the threads, so that a growing
 * answer repaints its own message and nothing else; once it is whole it moves into its thread.
 */
const useLive = create<Record<string, string>>()(() => ({}))

export const setLiveText = (id: string, text: string): void => useLive.setState({ [id]: text })

export const dropLiveText = (id: string): void => useLive.setState(({ [id]: _, ...others }) => others, true)

export const getLiveText = (id: string): string | undefined => useLive.getState()[id]

export const useLiveText = (id: string): string | undefined => useLive((texts) => texts[id])
