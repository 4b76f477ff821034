import { connect as connectPlain, isIP } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ClusterLogger, ConnectionPool } from 'kafkajs/src/cluster/index.js'
import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Secret } from '../../engine/index.ts'
import { StreamError } from '../../engine/index.ts'
import {
  AUTHENTICATION_TIMEOUT_MS,
  CONNECT_TIMEOUT_MS,
  REQUEST_TIMEOUT_MS,
} from './kafka-limits.ts'

/**
 * The door to Kafka: bytes of one request out, bytes of its response in. kafkajs is below it in
 * production (connections, TLS, SASL), a simulated broker in simulation.
 *
 * K1. After `send` has rejected, the connection is closed and every later `send` rejects.
 * K2. `close` rejects what is under way at once, also a long poll, and leaves no socket.
 */
export interface KafkaConnection {
  /** Body after the request header; of a flexible version, after the header's correlation id. */
  send(apiKey: number, version: number, body: Uint8Array): Promise<Uint8Array>
  close(): void
}

export interface KafkaTransport {
  /** `address` is host:port. Rejects with KAFKA_UNREACHABLE (try again) or KAFKA_FAILED. */
  connect(address: string): Promise<KafkaConnection>
}

export interface KafkaTls {
  /** Certificates to trust instead of the system's, as PEM. */
  readonly ca?: string
  /** The client's own certificate as PEM, where the brokers ask for one, and its key. */
  readonly certificate?: string
  readonly key?: Secret
}

export interface KafkaSecurity {
  readonly tls?: boolean | KafkaTls
  readonly sasl?: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
    readonly username: string
    readonly password: Secret
  }
}

/** Fetch by topic id and Metadata with topic ids: Kafka 3.1. */
const VERSIONS_NEEDED = [
  { api: 'Fetch', key: 1, version: 13 },
  { api: 'Metadata', key: 3, version: 12 },
] as const

const silent: ClusterLogger = {
  namespace: () => silent,
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
}

export function kafkaTransport(
  clientId: string,
  security: KafkaSecurity | undefined,
): KafkaTransport {
  return { connect: (address) => connect(address, clientId, security) }
}

async function connect(
  address: string,
  clientId: string,
  security: KafkaSecurity | undefined,
): Promise<KafkaConnection> {
  const { host, port } = parseAddress(address)
  const sockets: Socket[] = []
  const sasl = security?.sasl
  const tls = tlsOptions(host, security?.tls)
  // Loaded here, as it takes a tenth of a second, which a job without Kafka need not wait.
  const { default: Cluster } = await import('kafkajs/src/cluster/index.js')
  const cluster = new Cluster({
    logger: silent,
    socketFactory: ({ onConnect }) => {
      const socket =
        tls === undefined
          ? connectPlain({ host, port, noDelay: true }, onConnect)
          : connectTls({ host, port, ...tls }, onConnect)
      sockets.push(socket)
      return socket
    },
    brokers: [address],
    ssl: tls ?? null,
    sasl: sasl === undefined ? null : { ...sasl, password: sasl.password.reveal() },
    clientId,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: AUTHENTICATION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    enforceRequestTimeout: true,
  })
  const pool = await cluster.connectionPoolBuilder.build({ host, port })
  const connection = new ClusterConnection(address, pool, sockets)
  const broker = cluster.brokerPool.createBroker({ connectionPool: pool, logger: silent })
  try {
    await broker.connect()
  } catch (error) {
    connection.close()
    throw connectError(address, error)
  }
  for (const { api, key, version } of VERSIONS_NEEDED) {
    const newest = broker.versions?.[String(key)]?.maxVersion ?? 0
    if (newest >= version) continue
    connection.close()
    throw new StreamError(
      'KAFKA_FAILED',
      `broker "${address}" knows ${api} up to version ${newest}, needed is ${version}`,
      { hint: 'Use brokers of Kafka 3.1 or later.' },
    )
  }
  return connection
}

class ClusterConnection implements KafkaConnection {
  readonly #address: string
  readonly #pool: ConnectionPool
  readonly #sockets: readonly Socket[]
  #closed = false

  constructor(address: string, pool: ConnectionPool, sockets: readonly Socket[]) {
    this.#address = address
    this.#pool = pool
    this.#sockets = sockets
  }

  async send(apiKey: number, version: number, body: Uint8Array): Promise<Uint8Array> {
    if (this.#closed) throw unreachable(this.#address, new Error('the connection is closed'))
    const buffer = Buffer.from(body.buffer, body.byteOffset, body.length)
    try {
      return await this.#pool.send({
        request: {
          apiKey,
          apiVersion: version,
          apiName: String(apiKey),
          encode: () => ({ buf: buffer, buffer }),
        },
        response: {
          decode: (payload) => ({ clientSideThrottleTime: 0, payload }),
          parse: ({ payload }) => payload,
        },
        logResponseError: false,
      })
    } catch (error) {
      this.close() // K1.
      throw connectError(this.#address, error)
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    const error = new Error('the connection was closed')
    for (const connection of this.#pool.pool) {
      connection.rejectRequests(error) // K2: disconnect alone waits for what is under way.
      connection.disconnect().catch(() => undefined)
    }
    for (const socket of this.#sockets) socket.destroy()
  }
}

function tlsOptions(host: string, tls: KafkaSecurity['tls']): ConnectionOptions | undefined {
  if (tls === undefined || tls === false) return undefined
  const { ca, certificate, key } = tls === true ? ({} as KafkaTls) : tls
  return {
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key: key.reveal() }),
  }
}

function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':')
  const port = Number(address.slice(colon + 1))
  if (colon <= 0 || !Number.isInteger(port) || port <= 0 || port > 65_535) {
    throw new StreamError('OPTION_INVALID', `"${address}" is no address of a broker`, {
      hint: 'Write host:port, for example localhost:9092.',
    })
  }
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port }
}

function connectError(address: string, error: unknown): StreamError {
  const refusal = saslRefusal(error)
  if (refusal === undefined) return unreachable(address, error)
  return new StreamError('KAFKA_FAILED', `broker "${address}" refused the login: ${refusal}`, {
    hint: 'Check mechanism, username and password of security.sasl.',
    cause: error,
  })
}

function unreachable(address: string, error: unknown): StreamError {
  const message = error instanceof Error ? error.message : String(error)
  return new StreamError('KAFKA_UNREACHABLE', `broker "${address}": ${message}`, {
    hint: 'Check that the brokers run and that their advertised addresses can be reached from here.',
    cause: error,
  })
}

function saslRefusal(error: unknown): string | undefined {
  let inner = error
  for (let depth = 0; depth < 4 && inner instanceof Error; depth += 1) {
    if (inner.name === 'KafkaJSSASLAuthenticationError') return inner.message
    inner = inner.cause
  }
  return undefined
}
