import { describe, expect } from 'vitest'
import { test } from './process.ts'

/** Jobs and inputs of every kind that is said to work, and what is told of those that do not. */
describe('job files', () => {
  const body = `(env) => {
    env.fromSource('in', collectionSource([{ a: 1 }]))
      .map((r) => ({ ...r, n: helper.n, at: PLACE }))
      .sinkTo('out', printSink())
  }`
  const common = `
    const { defineJob } = require('millrace')
    const { collectionSource, printSink } = require('millrace/connectors')
    const helper = require('./helper.cjs')
    module.exports = defineJob('kinds', ${body.replace('PLACE', '__filename')})`
  const modern = `
    import { defineJob } from 'millrace'
    import { collectionSource, printSink } from 'millrace/connectors'
    import helper from './helper.cjs'
    export default defineJob('kinds', ${body.replace('PLACE', 'import.meta.filename')})`
  const kinds = {
    'job.cjs': common,
    'job.cts': common.replace('module.exports =', 'export ='),
    'job.js': `Object.defineProperty(exports, '__esModule', { value: true })
      ${common.replace('module.exports', 'exports.default')}`,
    'job.mjs': modern,
    'job.mts': modern,
  }

  test('each kind that is listed runs, with a CommonJS helper and its own place', async ({
    project,
  }) => {
    project.write('helper.cjs', `exports.n = typeof require('millrace').int32`)
    for (const [name, text] of Object.entries(kinds)) {
      project.write(name, text)
      const ended = await project.run(['run', name, '--fresh'])
      const at = project.path(name)
      expect({ ...ended, stderr: '' }, ended.stderr).toEqual({
        exitCode: 0,
        stdout: `${JSON.stringify({ a: 1, n: 'function', at })}\n`,
        stderr: '',
      })
    }
  })
})
