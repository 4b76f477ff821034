import { kafkaMissing, shareKafka } from './test-kafka.ts'

/**
 * One broker for all Kafka tests of a run: the one that MILLRACE_TEST_KAFKA names (host:port), or
 * one that is started here. With neither the tests are skipped; under CI=true that is a failure.
 */
export default async function setup(): Promise<() => Promise<void>> {
  const given = process.env['MILLRACE_TEST_KAFKA']
  const missing = kafkaMissing()
  if (missing !== undefined) {
    const message =
      `the tests against a real Kafka broker need one: ${missing}, ` +
      'and MILLRACE_TEST_KAFKA=host:port is not set'
    if (process.env['CI'] === 'true') throw new Error(message)
    console.warn(`skipped: ${message}`)
    return () => Promise.resolve()
  }
  if (given !== undefined) return () => Promise.resolve()
  return shareKafka()
}
