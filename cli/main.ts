#!/usr/bin/env node
import { CommanderError } from 'commander'
import { asStreamError } from '../engine/base/errors.ts'
import { formatError } from './error-text.ts'
import { packageVersion } from './own-package.ts'
import { program } from './program.ts'
import { asksForLog, logFailure } from './run-log.ts'
import { hasColor } from './terminal.ts'

/** The entry of `millrace`: gives what a command throws to the person, and its exit code. */
// Whoever reads us (`| head`) may have seen enough; what cannot be said is not said.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
process.exitCode = await main()
// A timer of a finished command must not hold the process, nor its end cut a line off.
process.stdout.write('', () => process.stderr.write('', () => process.exit()))

async function main(): Promise<number> {
  let exitCode = 0
  try {
    const version = await packageVersion()
    const commands = program(version, (code) => {
      exitCode = code
    })
    await commands.parseAsync(process.argv)
    return exitCode
  } catch (thrown) {
    // Help and version end in a throw too, with 0; help in the place of a missing command with 2.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2
    const error = asStreamError(thrown)
    const color = hasColor(process.stderr, process.env)
    const verbose = process.argv.includes('--verbose')
    const isLog = asksForLog(process.argv, process.env, error.code)
    if (isLog) logFailure(error.toData())
    else process.stderr.write(`${formatError(error.toData(), { color, verbose })}\n`)
    return error.consequence.exit
  }
}
