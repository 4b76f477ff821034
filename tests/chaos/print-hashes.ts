/** The hashes of `hashes.ts` and the version of Node that made them, as JSON. */
import { hashes } from './hashes.ts'

const line = JSON.stringify({ node: process.version, hashes: await hashes() })
process.stdout.write(`${line}\n`)
