import type { KafkaConnection } from './kafka-client.ts'
import { StreamError } from '../../engine/index.ts'

/** To a simulated broker: one of those that are open there, until it is closed. */
export class SimulatedConnection implements KafkaConnection {
  readonly #address: string
  readonly #open: Set<SimulatedConnection>
  readonly #answer: (apiKey: number, body: Uint8Array) => Promise<Uint8Array>
  readonly #waiting = new Set<(error: Error) => void>()

  constructor(
    address: string,
    open: Set<SimulatedConnection>,
    answer: (apiKey: number, body: Uint8Array) => Promise<Uint8Array>,
  ) {
    this.#address = address
    this.#open = open
    this.#answer = answer
    open.add(this)
  }

  send(apiKey: number, _version: number, body: Uint8Array): Promise<Uint8Array> {
    if (!this.#open.has(this)) return Promise.reject(gone(this.#address))
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject)
      this.#answer(apiKey, body).then(
        (response) => {
          this.#waiting.delete(reject)
          resolve(response)
        },
        (error: unknown) => {
          this.close()
          reject(error instanceof Error ? error : gone(this.#address))
        },
      )
    })
  }

  close(): void {
    this.#open.delete(this)
    for (const reject of this.#waiting) reject(gone(this.#address))
    this.#waiting.clear()
  }
}

export function gone(address: string): StreamError {
  return new StreamError('KAFKA_UNREACHABLE', `broker "${address}": the connection was closed`)
}
