import { StreamError } from '../base/errors.ts'

interface Request {
  readonly target: string | undefined
  readonly done: (path: string) => void
  readonly failed: (error: unknown) => void
}

/** Who has asked for a savepoint and waits for it. Each is answered once. */
export class SavepointRequests {
  readonly #waiting = new Map<number, Request>()
  #last = 0
  #ended: { readonly error: unknown } | undefined

  /** `ask` gets the number of the request; resolves to the savepoint's folder. */
  add(target: string | undefined, ask: (request: number) => void): Promise<string> {
    this.#last += 1
    const request = this.#last
    return new Promise((done, failed) => {
      if (this.#ended !== undefined) {
        failed(this.#ended.error)
        return
      }
      this.#waiting.set(request, { target, done, failed })
      ask(request)
    })
  }

  /** Makes the savepoint and answers; its failure is the requester's, not the job's. */
  async answer(
    request: number,
    make: (target: string | undefined) => Promise<string>,
  ): Promise<string | undefined> {
    const { target, done, failed } = this.#waiting.get(request)!
    this.#waiting.delete(request)
    try {
      const path = await make(target)
      done(path)
      return path
    } catch (error) {
      failed(error)
      return undefined
    }
  }

  /** No savepoint can be had any more. */
  end(error: unknown = new StreamError('JOB_NOT_RUNNING', 'the job has already ended')): void {
    this.#ended ??= { error }
    for (const { failed } of this.#waiting.values()) failed(error)
    this.#waiting.clear()
  }
}
