import type { Command } from 'commander'
import type { ReplayFlags } from './chaos/replay.ts'
import type { ChaosFlags } from './chaos/flags.ts'

type Done = (exitCode: number) => void
type WithJobFlags = (command: Command) => Command

/** `millrace chaos` and what it can do; each part is loaded when it is called. */
export function addChaos(root: Command, done: Done, withJobFlags: WithJobFlags): void {
  const chaos = root
    .command('chaos')
    .description('inject crashes and errors into a job, and check its output')
    .addHelpText('after', CHAOS_HELP)
  addRun(chaos, done, withJobFlags)
  addExhaust(chaos, done, withJobFlags)
  addReplay(chaos, done, withJobFlags)
  addShrink(chaos, done, withJobFlags)
  addFsck(chaos, done)
  addPoints(chaos, done)
  addDoctor(chaos, done)
}

function addRun(chaos: Command, done: Done, withJobFlags: WithJobFlags): void {
  const command = chaos
    .command('run')
    .description('run the job under many schedules of faults')
    .argument('<job>', 'the script that exports the job')
    .option('--seed <n>', 'the seed of the first schedule (default: 1)')
    .option('--records <n>', RECORDS_HELP)
    .option(
      '--schedules <n>',
      'how many schedules to run (default: 1000; 20 with --mode threads or process)',
    )
    .option(
      '--mode <mode>',
      'sim: simulation. threads, process: real workers, files and processes (default: sim)',
    )
  withFaultFlags(withJobFlags(command)).action(async (job: string, flags: ChaosFlags) => {
    const { chaosRunCommand } = await import('./chaos/run.ts')
    done(await chaosRunCommand(job, flags))
  })
}

function addExhaust(chaos: Command, done: Done, withJobFlags: WithJobFlags): void {
  const command = chaos
    .command('exhaust')
    .description('try every fault at every point')
    .argument('<job>', 'the script that exports the job')
    .option('--records <n>', RECORDS_HELP)
    .option(
      '--depth <1|2>',
      '1: every single fault; 2: also every second fault during the recovery (default: 1)',
    )
    .option('--seed <n>', 'the seed for the order of events (default: 1)')
  withFaultFlags(withJobFlags(command)).action(async (job: string, flags: ChaosFlags) => {
    const { chaosExhaustCommand } = await import('./chaos/run.ts')
    done(await chaosExhaustCommand(job, flags))
  })
}

function addReplay(chaos: Command, done: Done, withJobFlags: WithJobFlags): void {
  const command = chaos
    .command('replay')
    .description('repeat a run, and draw it')
    .argument(
      '<bundle or seed>',
      'the folder of a bundle; or, with --job, a seed: 42 where "chaos run" said "seed 42"',
    )
    .option('--job <job>', 'the script, if it is not the one that the bundle names')
    .option('--faults <kinds>', 'with a seed: the --faults of that "chaos run"')
    .option('--records <n>', 'with a seed: the --records of that "chaos run"')
    .option('--picture <file>', 'write the picture as SVG')
  withJobFlags(command).action(async (given: string, flags: ReplayFlags) => {
    const { chaosReplayCommand } = await import('./chaos/replay.ts')
    done(await chaosReplayCommand(given, flags))
  })
}

function addShrink(chaos: Command, done: Done, withJobFlags: WithJobFlags): void {
  const command = chaos
    .command('shrink')
    .description('simplify the schedule of a bundle as far as the failure allows')
    .argument('<bundle>', 'the folder of a bundle')
    .option('--job <job>', 'the script, if it is not the one that the bundle names')
    .option('--out <dir>', 'where the new bundle goes (default: beside the old one)')
  withJobFlags(command).action(async (bundle: string, flags: ReplayFlags) => {
    const { chaosShrinkCommand } = await import('./chaos/replay.ts')
    done(await chaosShrinkCommand(bundle, flags))
  })
}

function addFsck(chaos: Command, done: Done): void {
  chaos
    .command('fsck')
    .description('verify a savepoint, or the checkpoints of a stopped job; changes nothing')
    .argument('<folder>', 'a work folder or a savepoint')
    .option('--deep', 'also decode all state and check its contents')
    .option('--json', 'as one JSON object')
    .action(async (folder: string, flags: { readonly deep?: boolean; readonly json?: boolean }) => {
      const { fsckCommand } = await import('./chaos/fsck.ts')
      done(await fsckCommand(folder, flags))
    })
}

function addPoints(chaos: Command, done: Done): void {
  chaos
    .command('points')
    .description('list the fault points and the invariants')
    .option('--json', 'as JSON')
    .action(async (flags: { readonly json?: boolean }) => {
      const { pointsCommand } = await import('./chaos/points.ts')
      done(await pointsCommand(flags))
    })
  chaos
    .command('explain')
    .description('explain a fault point or an invariant')
    .argument('<name>', 'a name such as disk.manifest.link or I2')
    .action(async (point: string) => {
      const { explainCommand } = await import('./chaos/points.ts')
      done(await explainCommand(point))
    })
}

function addDoctor(chaos: Command, done: Done): void {
  chaos
    .command('doctor')
    .description('check which kinds of faults work on this machine')
    .option('--json', 'as JSON')
    .action(async (flags: { readonly json?: boolean }) => {
      const { doctorCommand } = await import('./chaos/doctor.ts')
      done(await doctorCommand(flags))
    })
}

function withFaultFlags(command: Command): Command {
  return command
    .option(
      '--faults <kinds>',
      'only these kinds: crash,delay,drop,errno,torn,powerloss,clock,pause,fence,rescale,ask',
    )
    .option('--budget <duration>', 'end after this time, such as 5m')
    .option('--picture <file.svg>', 'also write the picture of each failing run to this file')
    .option('--out <dir>', 'the folder for bundles (default: .millrace/chaos)')
    .option('--strict', 'also fail when a rare state was not reached')
    .option('--no-shrink', 'do not simplify failing schedules')
}

const RECORDS_HELP = 'how many records to read from each Kafka source (default: 5000)'

const CHAOS_HELP = `
Examples:
  millrace chaos run job.ts --schedules 2000 --budget 5m
  millrace chaos exhaust job.ts

Chaos runs your job many times in simulation, inside this process. The code is real; the disk and the
clock are simulated, and state and output stay in memory. First it runs the job without faults. Then
it injects faults, such as a crash or a full disk, and compares the output with that of the first run.

Chaos calls the functions of your job for real, thousands of times. If one sends a request or writes
a file, that happens each time. The sources must have an end and be readable again, and the sinks must
commit. From Kafka, chaos reads the topic once, at the start, and keeps the records in memory.

Words:
  schedule    the faults of one run: which fault, at which point, in which life
  point       a named step of the engine at which a fault can strike; "points" lists them
  life        one run of the engine, from its start to its end or crash
  rare state  a situation that few runs reach; with 100 or more schedules, the first ones each
              aim at one ("led to"), and the rest are random, one for each seed
  bundle      a folder with a failing run: schedule, trace, files, picture and a test

Exit codes:
  0  no invariant was broken                   3    fsck: a checkpoint is damaged
  1  an invariant was broken (with --strict,   124  ended before exhaust had tried all, or before
     also: a rare state was not reached)            run had tried one schedule; nothing was broken
  2  wrong call, or a job that fails, hangs    130, 143  ended by SIGINT, SIGTERM, after a report
     or changes its answer without a fault     70   a bug in Millrace
`
