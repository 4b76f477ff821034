import { Command, type CommanderError } from 'commander'
import type { InitFlags } from './init.ts'
import type { RunFlags } from './run-options.ts'
import type { SavepointFlags, StopFlags } from './control.ts'
import { StreamError } from '../engine/base/errors.ts'
import { nearest } from '../engine/graph/suggest.ts'
import { addChaos } from './chaos.ts'

/**
 * The commands of `millrace` and their help. Each is loaded when it is called, so that `run` stays
 * a small process. `done` gets the exit code; a wrong call ends with 2.
 */
export function program(version: string, done: (exitCode: number) => void): Command {
  const root = new Command('millrace')
  root
    .description(
      'A stream engine. Write a job in TypeScript and run it; after any crash, run it again.',
    )
    .version(version)
    .helpOption('-h, --help', 'show this help')
    .showSuggestionAfterError()
    .addHelpText('after', ROOT_HELP)
  // What comes here is a wrong call: no command, or one that there is not.
  root
    .allowExcessArguments()
    .allowUnknownOption()
    .action(() => {
      const given = root.args[0]
      if (given?.startsWith('-') === true) throw unknownFlag(given)
      if (given !== undefined) throw unknownCommand(root, given)
      root.outputHelp()
      done(2)
    })
  for (const add of [addRun, addDev, addCheck, addExplain, addSavepoint, addStop, addInspect]) {
    add(root, done)
  }
  addInit(root, done)
  addChaos(root, done, withJobFlags)
  addHelp(root)
  root.hook('preAction', (_, command) => {
    refuseEmpty(command)
  })
  for (const command of everyCommand(root)) {
    if (command !== root) command.allowExcessArguments(false)
    command.configureOutput({ outputError: () => undefined })
    command.exitOverride((error) => {
      throw error.exitCode === 0 || error.code === 'commander.help'
        ? error
        : wrongCall(command, error)
    })
  }
  return root
}

type Done = (exitCode: number) => void

function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}

/**
 * No option and no argument may be empty or blank: it comes from a variable that is not set, and as
 * a path it would name the current folder, or one that nobody sees.
 */
function refuseEmpty(command: Command): void {
  const hint = 'Give it a value; a variable that is not set makes an empty one.'
  for (const option of command.options) {
    const given: unknown = command.getOptionValue(option.attributeName())
    const texts: readonly unknown[] = Array.isArray(given) ? given : [given]
    if (!texts.some(isBlank)) continue
    throw new StreamError('USAGE', `${option.long ?? option.flags} is empty`, { hint })
  }
  for (const [index, given] of command.args.entries()) {
    if (!isBlank(given)) continue
    const name = command.registeredArguments[index]?.name() ?? `argument ${index + 1}`
    throw new StreamError('USAGE', `<${name}> is empty`, { hint })
  }
}

function isBlank(given: unknown): boolean {
  return typeof given === 'string' && given.trim() === ''
}

/** What commander found, as an error like any other. */
function wrongCall(command: Command, { message }: CommanderError): StreamError {
  const [, found = message, , near] =
    /^(?:error: )?(.*?)\.?(\s+\((Did you mean .*)\))?$/s.exec(message) ?? []
  const names: string[] = []
  for (let at: Command | null = command; at !== null; at = at.parent) names.unshift(at.name())
  const help = `"${names.join(' ')} --help" shows what it takes.`
  return new StreamError('USAGE', found, { hint: near === undefined ? help : `${near} ${help}` })
}

function unknownFlag(given: string): StreamError {
  return new StreamError('USAGE', `unknown option '${given}'`, {
    hint: 'Flags stand behind a command. "millrace --help" shows the commands.',
  })
}

function unknownCommand(parent: Command, given: string): StreamError {
  const names = parent.commands.map((command) => command.name())
  const near = nearest(given, names)
  const there =
    names.length === 0
      ? `"millrace help ${parent.name()}" shows what it takes.`
      : `There are ${names.join(', ')}.`
  return new StreamError('USAGE', `there is no command "${given}"`, {
    hint: near === undefined ? there : `Did you mean "${near}"?`,
  })
}

/** `millrace help chaos run` shows what `millrace chaos run --help` does. */
function addHelp(root: Command): void {
  root
    .command('help')
    .description('show the help of a command')
    .argument('[command...]', 'its name, such as run or chaos replay')
    .action((names: readonly string[]) => {
      let command = root
      for (const name of names) {
        const found = command.commands.find((candidate) => candidate.name() === name)
        if (found === undefined) throw unknownCommand(command, name)
        command = found
      }
      command.outputHelp()
    })
}

function addRun(root: Command, done: Done): void {
  const command = root
    .command('run')
    .description('run a job in the foreground; the same command resumes it')
    .argument('<job>', 'the script that exports the job (.ts, .mts, .cts, .js, .mjs, .cjs)')
  withStateFlags(withJobFlags(command))
    .option('--work-dir <dir>', 'where state and checkpoints live (default: .millrace/<job name>)')
    .option(
      '--from <savepoint>',
      'start from a savepoint, unless the work folder already has a later checkpoint',
    )
    .option('--fresh', 'set the work folder aside and start over; deletes no output')
    .option('--take-over', 'kill the process that holds the work folder, then run')
    .option('--fork', 'with --from: start a copy of the job beside the one that goes on')
    .option('--job-was <name>', 'the job had this name before: go on with its state')
    .option(
      '--grace <duration>',
      'how long a clean stop may take before the engine is killed (default: 20s)',
    )
    .option('--log-level <level>', 'error, warn, info or debug (default: info)')
    .option('--log-format <format>', 'text, or json for lines on standard error (default: text)')
    .option('--json', 'print a summary of the run as the last line of standard output, as JSON')
    .option('--verbose', 'log at debug level, and show stack traces')
    .addHelpText('after', RUN_HELP)
    .action(async (job: string, flags: RunFlags) => {
      const { runCommand } = await import('./run.ts')
      done(await runCommand(job, flags))
    })
}

function addDev(root: Command, done: Done): void {
  const command = root
    .command('dev')
    .description(
      'run a job while you write it: state is temporary, sinks print, saving restarts it',
    )
    .argument('<job>', 'the script that exports the job')
  withJobFlags(command)
    .option('--verbose', 'log at debug level, and show stack traces')
    .addHelpText('after', DEV_HELP)
    .action(async (job: string, flags: RunFlags) => {
      const { devCommand } = await import('./dev.ts')
      done(await devCommand(job, flags))
    })
}

function addCheck(root: Command, done: Done): void {
  const command = root
    .command('check')
    .description('check the types and the plan of a job; run nothing')
    .argument('<job>', 'the script that exports the job')
  withJobFlags(command)
    .option('--no-types', 'check the plan only')
    .addHelpText('after', CHECK_HELP)
    .action(async (job: string, flags: RunFlags & { readonly types: boolean }) => {
      const { checkCommand } = await import('./check.ts')
      done(await checkCommand(job, flags))
    })
}

function addExplain(root: Command, done: Done): void {
  const command = root
    .command('explain')
    .description('show what each step of a job does, its state, and why it is chained or not')
    .argument('<job>', 'the script that exports the job')
  withStateFlags(command)
    .option('--set <name=value>', 'a parameter of the job (may be repeated)', collect)
    .option('--parallelism <n>', 'how many subtasks each step has (default: the number of cores)')
    .option(
      '--config [file]',
      'a JSON file with settings; without a file: show every setting and its origin',
    )
    .option('--work-dir <dir>', 'as for run')
    .option('--against <folder>', 'what a run would keep of this work folder or savepoint')
    .option('--json', 'the plan as JSON')
    .option('--svg', 'the plan as a picture')
    .addHelpText('after', EXPLAIN_HELP)
    .action(
      async (
        job: string,
        flags: RunFlags & { readonly svg?: boolean; readonly against?: string },
      ) => {
        const { explainCommand } = await import('./explain.ts')
        done(await explainCommand(job, flags))
      },
    )
}

function addSavepoint(root: Command, done: Done): void {
  root
    .command('savepoint')
    .description(
      'take a savepoint of a running job: a complete copy of its state that you can move',
    )
    .argument('<work-dir>', 'work folder of the job, or its name for .millrace/<name>')
    .option('--to <dir>', 'the folder to write; must not exist')
    .option('--json', 'answer as one line of JSON')
    .addHelpText('after', SAVEPOINT_HELP)
    .action(async (workDir: string, flags: SavepointFlags) => {
      const { savepointCommand } = await import('./control.ts')
      done(await savepointCommand(workDir, flags))
    })
}

function addStop(root: Command, done: Done): void {
  root
    .command('stop')
    .description('stop a running job after a last checkpoint; its run ends with exit code 0')
    .argument('<work-dir>', 'work folder of the job, or its name for .millrace/<name>')
    .option('--savepoint [dir]', 'write a savepoint when it stops')
    .option('--drain', 'end the inputs first, so that every window fires; the job is then finished')
    .option('--json', 'answer as one line of JSON')
    .addHelpText('after', STOP_HELP)
    .action(async (workDir: string, flags: StopFlags) => {
      const { stopCommand } = await import('./control.ts')
      done(await stopCommand(workDir, flags))
    })
}

function addInspect(root: Command, done: Done): void {
  root
    .command('inspect')
    .description('show what a work folder or savepoint holds: checkpoints, steps, sizes')
    .argument('<work-dir>', 'a work folder or savepoint, or a name for .millrace/<name>')
    .option('--json', 'as one JSON object')
    .addHelpText('after', INSPECT_HELP)
    .action(async (workDir: string, flags: { readonly json?: boolean }) => {
      const { inspectCommand } = await import('./inspect.ts')
      done(await inspectCommand(workDir, flags))
    })
}

function addInit(root: Command, done: Done): void {
  root
    .command('init')
    .description('write a first job into the current folder')
    .option('--service', 'instead, write a systemd unit and a Dockerfile that run a job')
    .option('--job <path>', 'with --service: the job to run (default: job.ts)')
    .addHelpText('after', INIT_HELP)
    .action(async (flags: InitFlags) => {
      const { initCommand } = await import('./init.ts')
      done(await initCommand(flags))
    })
}

function withJobFlags(command: Command): Command {
  return command
    .option('--set <name=value>', 'a parameter of the job (may be repeated)', collect)
    .option('--config <file>', 'a JSON file with settings')
    .option('--parallelism <n>', 'how many subtasks each step has (default: the number of cores)')
}

/** How a changed job goes on with the state it has. */
function withStateFlags(command: Command): Command {
  return command
    .option(
      '--rename-uid <old=new>',
      'the step or sink "old" is now "new" (may be repeated)',
      collect,
    )
    .option('--rename-state <uid:old=new>', 'the same of one state of a step', collect)
    .option('--drop-state <uid[:state]>', 'lose the state of a step, or one state of it', collect)
    .option(
      '--keep-state <uid>',
      'the key of this step is the same, only written differently',
      collect,
    )
}

function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value]
}

const ROOT_HELP = `
A first job:
  mkdir my-job && cd my-job && npm init -y
  npm install PATH/TO/millrace-VERSION.tgz
  npx millrace init              writes job.ts
  npx millrace run job.ts        runs it; Ctrl-C stops it, the same command resumes it

Exit codes:
  0  finished, or stopped by "millrace stop"     4   the work folder is in use
  1  failed, or a check found something          5   the same record failed three times
  2  wrong call or job; nothing was started      70  a bug of Millrace
  3  state is missing, damaged or does not fit   130, 143  ended by SIGINT, SIGTERM
`

const RUN_HELP = `
Examples:
  millrace run job.ts
  millrace run job.ts --set directory=./out --set password=env:PASSWORD --parallelism 4
  millrace run job.ts --from ./savepoints/monday --work-dir ./state/new
  millrace run job.ts --config production.json --json

A setting is taken from the first of these that has it:
  1. the flag
  2. a variable such as MILLRACE_PARALLELISM or MILLRACE_SET_directory
  3. the --config file: {"parallelism": 4, "state": {"cacheMb": 512}, "set": {…}}
  4. the job
  5. the default
"millrace explain job.ts --config" shows every setting and where it comes from.

Ctrl-C or SIGTERM takes a last checkpoint and stops; a second one stops at once. After a stop or a
crash, the same command resumes from the last complete checkpoint. A supervisor such as systemd
should restart on exit codes 1, 4 and 70.
`

const DEV_HELP = `
Example:
  millrace dev job.ts --set directory=./unused

State is in a temporary folder, and each sink prints what it would write: the job's real state and
output are not touched. Saving the script restarts the job.
`

const CHECK_HELP = `
Example:
  millrace check job.ts --set directory=./out

Compiles the job with the typescript and tsconfig.json of your project, then plans it as "run" would.
The plan finds unknown fields, missing watermarks and equal uids.
`

const EXPLAIN_HELP = `
Examples:
  millrace explain job.ts                  the plan as text
  millrace explain job.ts --svg > plan.svg
  millrace explain job.ts --config         every setting, its value and where it comes from
  millrace explain job.ts --against visits what a run of the changed job keeps, drops or refuses
`

const SAVEPOINT_HELP = `
Example:
  millrace savepoint .millrace/visits --to ./savepoints/monday
  millrace run job.ts --from ./savepoints/monday --work-dir ./state/new
`

const STOP_HELP = `
Examples:
  millrace stop visits                             windows stay open in state; run resumes
  millrace stop visits --savepoint ./savepoints/1  and a copy to start from elsewhere
  millrace stop visits --drain                     every window fires; the job is over
`

const INSPECT_HELP = `
Verifies nothing. "millrace chaos fsck <work-dir>" checks every file against its recorded hash.
`

const INIT_HELP = `
Writes job.ts, tsconfig.json, .gitignore and what package.json lacks. Never overwrites a file.
With --service: writes <job>.service for systemd, a Dockerfile and a .dockerignore.
`
