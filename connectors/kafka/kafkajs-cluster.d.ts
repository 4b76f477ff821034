/** The few parts of kafkajs 2.2.4 that `kafka-client.ts` stands on, typed by hand. */
declare module 'kafkajs/src/cluster/index.js' {
  import type { Socket } from 'node:net'

  export interface ClusterOptions {
    readonly logger: ClusterLogger
    readonly socketFactory: (options: {
      readonly host: string
      readonly port: number
      readonly onConnect: () => void
    }) => Socket
    readonly brokers: readonly string[]
    readonly ssl: object | null
    readonly sasl: object | null
    readonly clientId: string
    readonly connectionTimeout: number
    readonly authenticationTimeout: number
    readonly requestTimeout: number
    readonly enforceRequestTimeout: boolean
  }

  export interface ClusterLogger {
    namespace(name: string): ClusterLogger
    error(message: string): void
    warn(message: string): void
    info(message: string): void
    debug(message: string): void
  }

  export interface ProtocolRequest<Response> {
    readonly request: {
      readonly apiKey: number
      readonly apiVersion: number
      readonly apiName: string
      encode(): { readonly buf: Buffer; readonly buffer: Buffer }
    }
    readonly response: {
      decode(payload: Buffer): { readonly clientSideThrottleTime: number; readonly payload: Buffer }
      parse(decoded: { readonly payload: Buffer }): Response
    }
    readonly logResponseError: boolean
  }

  export interface PooledConnection {
    rejectRequests(error: Error): void
    disconnect(): Promise<unknown>
  }

  export interface ConnectionPool {
    readonly pool: readonly PooledConnection[]
    send<Response>(request: ProtocolRequest<Response>): Promise<Response>
  }

  export interface Broker {
    readonly connectionPool: ConnectionPool
    readonly versions: Readonly<
      Record<string, { readonly minVersion: number; readonly maxVersion: number }>
    > | null
    connect(): Promise<void>
  }

  export default class Cluster {
    constructor(options: ClusterOptions)
    readonly connectionPoolBuilder: {
      build(address: { readonly host: string; readonly port: number }): Promise<ConnectionPool>
    }
    readonly brokerPool: {
      createBroker(options: {
        readonly connectionPool: ConnectionPool
        readonly logger: ClusterLogger
      }): Broker
    }
  }
}
