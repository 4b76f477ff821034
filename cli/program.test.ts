import { expect, test, vi } from 'vitest'
import { program } from './program.ts'

const call = (...args: readonly string[]): Promise<unknown> =>
  program('0', () => undefined).parseAsync(['node', 'millrace', ...args])

/** No option or argument of any command takes an empty value. */
const EMPTY = program('0', () => undefined)
  .commands.flatMap((command) => (command.commands.length === 0 ? [command] : command.commands))
  .filter((command) => command.name() !== 'help')
  .flatMap((command) => {
    const path = command.parent!.name() === 'millrace' ? [] : [command.parent!.name()]
    const name = [...path, command.name()]
    const given = command.registeredArguments.map(() => 'x')
    return [
      ...given.map((_, index) => ({ args: [...name, ...given.with(index, '')], found: '<' })),
      ...command.options
        .filter((option) => option.required || option.optional)
        .map(({ long }) => ({ args: [...name, ...given, long!, ''], found: long! })),
    ]
  })

test.each(EMPTY)('$args is refused', async ({ args, found }) => {
  await expect(call(...args)).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(new RegExp(`^${found}.* is empty$`)) as unknown,
  })
})

test.each([' ', '\t', ' \n '])(
  'a blank argument %j is refused like an empty one',
  async (blank) => {
    for (const args of [
      ['run', blank],
      ['run', 'job.ts', '--work-dir', blank],
      ['inspect', blank],
    ]) {
      await expect(call(...args)).rejects.toMatchObject({ code: 'USAGE' })
    }
  },
)

test('the list above holds every path option', () => {
  const flags = new Set(EMPTY.map(({ found }) => found))
  expect([...flags]).toEqual(
    expect.arrayContaining(['--work-dir', '--from', '--config', '--to', '--savepoint', '--out']),
  )
})

test.each([
  [['help', 'run'], /Usage: millrace run \[options\] <job>/],
  [['help', 'chaos', 'replay'], /Usage: millrace chaos replay/],
  [['help', 'chaos'], /Usage: millrace chaos/],
  [['help'], /Usage: millrace /],
])('millrace %j shows help', async (args, text) => {
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  try {
    await call(...args)
    expect(write.mock.calls.join('')).toMatch(text)
  } finally {
    write.mockRestore()
  }
})

test.each([
  [['help', 'rnu'], 'Did you mean "run"?'],
  [
    ['help', 'chaos', 'xyzzy'],
    'There are run, exhaust, replay, shrink, fsck, points, explain, doctor.',
  ],
  [['help', 'run', 'now'], '"millrace help run" shows what it takes.'],
])('millrace %j is refused', async (args, hint) => {
  await expect(call(...args)).rejects.toMatchObject({ code: 'USAGE', hint })
})
