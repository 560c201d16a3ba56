import { currentLang } from '../i18n'

/** A request that failed: `status` 0 means that the server could not be reached at all. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string | null

  constructor(status: number, message: string, code: string | null = null) {
    super(message)
    this.name = 'ApiError'
    this.status = status
    this.code = code
  }
}

interface Options {
  method?: string
  body?: unknown
  signal?: AbortSignal
}

/** Sends a request and returns the response; anything but 2xx throws an ApiError. */
export async function request(path: string, { method = 'GET', body, signal }: Options = {}): Promise<Response> {
  const headers: Record<string, string> = { 'Accept-Language': currentLang() }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  let response: Response
  try {
    response = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) })
  } catch (error) {
    if (signal?.aborted) throw error
    throw new ApiError(0, '')
  }
  if (!response.ok) throw await readError(response)
  return response
}

export async function requestJson<T>(path: string, options?: Options): Promise<T> {
  const response = await request(path, options)
  return (await response.json()) as T
}

async function readError(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as { error: { message: string; code: string | null } }
    return new ApiError(response.status, error.message, error.code)
  } catch {
    return new ApiError(response.status, `HTTP ${response.status}`)
  }
}
