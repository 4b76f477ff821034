/** TLS and SASL, against a listener of a real broker that asks for both. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { KafkaSecurity } from '../../connectors/kafka/kafka-client.ts'
import type { TestKafka } from './test-kafka.ts'
import { text } from '../../connectors/formats/text-format.ts'
import { kafkaSource } from '../../connectors/kafka/kafka-source.ts'
import { SourceDriver } from './source-driver.ts'
import { brokerMissing, startKafka } from './test-kafka.ts'

const MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const

const hasOpenssl = spawnSync('openssl', ['version']).status === 0

describe.skipIf(brokerMissing() !== undefined || !hasOpenssl)(
  'a listener with TLS and SASL',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-kafka-tls-'))
    let kafka: TestKafka
    let address: string
    let ca: string
    let topic: string

    beforeAll(async () => {
      const key = join(folder, 'key.pem')
      const certificate = join(folder, 'certificate.pem')
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
      const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '30', ...subject]
      execFileSync('openssl', [...made, '-keyout', key, '-out', certificate], { stdio: 'ignore' })
      ca = readFileSync(certificate, 'utf8')
      const store = join(folder, 'store.pem')
      writeFileSync(store, readFileSync(key, 'utf8') + ca)
      kafka = await startKafka({ own: true, settings: settings(store), format: SCRAM_USERS })
      const port = Number(kafka.brokers[0]!.split(':')[1])
      address = `localhost:${port + 2}`
      topic = await kafka.createTopic()
      await kafka.produce(topic, ['a', 'b'])
    })
    afterAll(async () => {
      await kafka.stop()
      rmSync(folder, { recursive: true, force: true })
    })

    function drive(security: KafkaSecurity): SourceDriver {
      const brokers = [address]
      const common = {
        brokers,
        topic,
        value: text(),
        to: 'latest',
        unreachableAfterMs: 500,
      } as const
      return new SourceDriver(kafkaSource({ ...common, security }))
    }

    const login = (mechanism: (typeof MECHANISMS)[number], password: string): KafkaSecurity => ({
      tls: { ca },
      sasl: { mechanism, username: 'lander', password: { kind: 'secret', reveal: () => password } },
    })

    test.each(MECHANISMS)('%s lets in who knows the password', async (mechanism) => {
      const driver = drive(login(mechanism, 'hunter2'))
      await driver.discover()
      await driver.readToEnd()
      expect(driver.rows).toEqual(['a', 'b'])
      await driver.close()
    })

    test.each(MECHANISMS)(
      '%s with a wrong password fails at once, and does not show it',
      async (mechanism) => {
        const driver = drive(login(mechanism, 'hunter3'))
        const failure: unknown = await driver.discover().catch((error: unknown) => error)
        expect(failure).toMatchObject({
          code: 'KAFKA_FAILED',
          message: expect.stringMatching(/^broker "localhost:\d+" refused the login/) as string,
        })
        expect((failure as Error).message).not.toContain('hunter3')
        await driver.close()
      },
    )

    test('a certificate that is not trusted is told', async () => {
      const driver = drive({ ...login('plain', 'hunter2'), tls: true })
      await expect(driver.discover()).rejects.toMatchObject({
        code: 'KAFKA_UNREACHABLE',
        message: expect.stringContaining('certificate') as string,
      })
      await driver.close()
    })
  },
)

function settings(store: string): string {
  const plain = 'org.apache.kafka.common.security.plain.PlainLoginModule'
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule'
  return `
listeners=PLAINTEXT://127.0.0.1:@PORT@,CONTROLLER://127.0.0.1:@CPORT@,SECURE://localhost:@XPORT@
advertised.listeners=PLAINTEXT://127.0.0.1:@PORT@,SECURE://localhost:@XPORT@
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL
listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secure.plain.sasl.jaas.config=${plain} required user_lander="hunter2";
listener.name.secure.scram-sha-256.sasl.jaas.config=${scram} required;
listener.name.secure.scram-sha-512.sasl.jaas.config=${scram} required;
listener.name.secure.ssl.keystore.type=PEM
listener.name.secure.ssl.keystore.location=${store}
`
}

const SCRAM_USERS = ['256', '512']
  .map((bits) => `--add-scram SCRAM-SHA-${bits}=[name=lander,password=hunter2]`)
  .join(' ')
