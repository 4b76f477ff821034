import {
  auditFolder,
  isSound,
  type CheckpointAudit,
  type FolderAudit,
} from '../../engine/checkpoint/fsck.ts'
import { hasDamage, type Finding } from '../../engine/checkpoint/fsck-finding.ts'
import { StreamError } from '../../engine/base/errors.ts'
import { systemFiles } from '../../engine/base/files.ts'
import { formatBytes, formatCount } from '../numbers.ts'
import { findWorkFolder } from '../work-folder.ts'

/**
 * `millrace chaos fsck`: holds every checkpoint of a work folder, or a savepoint, against what was
 * written. Read only, also while the job runs. 0: sound; 3: damaged; a folder that is not there is
 * thrown as USAGE, and so is a file.
 */
export async function fsckCommand(
  path: string,
  flags: { readonly deep?: boolean; readonly json?: boolean },
): Promise<number> {
  const folder = await findWorkFolder(path)
  if (!(await systemFiles.stat(folder)).isDirectory) {
    throw new StreamError('USAGE', `"${path}" is a file, no folder of checkpoints`, {
      hint: 'Name the work folder of a job, as "millrace run" printed it, or a savepoint.',
    })
  }
  const audit = await auditFolder({ files: systemFiles, folder, deep: flags.deep === true })
  const sound = isSound(audit)
  const text = flags.json === true ? JSON.stringify({ sound, ...audit }) : renderAudit(audit)
  process.stdout.write(`${text}\n`)
  return sound ? 0 : 3
}

/** A line a checkpoint, newest first, and below it what is wrong with it. */
export function renderAudit(audit: FolderAudit): string {
  const { checkpoints, findings, folder, job, type } = audit
  const what = type === 'savepoint' ? 'savepoint' : 'work folder'
  const lines = [`${job ?? 'unknown job'}, ${what} ${folder}: ${verdict(audit)}`]
  for (const checkpoint of checkpoints) {
    lines.push(`  ${checkpointLine(checkpoint)}`)
    lines.push(...checkpoint.findings.map((finding) => `    ${findingLine(finding)}`))
  }
  lines.push(...findings.map((finding) => `  ${findingLine(finding)}`))
  if (!isSound(audit)) lines.push(...ADVICE)
  return lines.join('\n')
}

/** What to do: a job never goes back to an older checkpoint by itself. */
const ADVICE = [
  '',
  'Put each damaged file back as it was, from a copy of the folder or of the disk. The job is not',
  'started from an older checkpoint: what it has published since would be published twice. Without',
  'a copy, go on from a savepoint (--from, into another --work-dir) or start over (--fresh).',
]

function verdict(audit: FolderAudit): string {
  const { checkpoints } = audit
  if (checkpoints.length === 0) return isSound(audit) ? 'no checkpoint yet' : 'damaged'
  const damaged = checkpoints.filter(({ findings }) => hasDamage(findings)).length
  if (damaged === 0) return isSound(audit) ? 'sound' : 'damaged beside its checkpoints'
  return `${damaged} of ${checkpoints.length} checkpoint${checkpoints.length === 1 ? '' : 's'} damaged`
}

function checkpointLine(checkpoint: CheckpointAudit): string {
  const { name, final, drained, files, bytes, contents, findings } = checkpoint
  if (name === undefined) return 'a checkpoint whose manifest cannot be read: damaged'
  const marks = [final === true ? 'final' : '', drained === true ? 'drained' : '']
  const parts = [
    `checkpoint ${name}: ${hasDamage(findings) ? 'damaged' : 'sound'}`,
    ...marks.filter((mark) => mark !== ''),
    `${counted(files, 'file')}, ${formatBytes(bytes)}`,
  ]
  if (contents !== undefined) {
    const { values, timers, broadcastItems, splits, committables } = contents
    parts.push(counted(values, 'value'), counted(timers, 'timer'))
    if (broadcastItems > 0) parts.push(counted(broadcastItems, 'broadcast item'))
    parts.push(counted(splits, 'split'), `publishes ${counted(committables, 'output')}`)
  }
  return parts.join(', ')
}

function counted(count: number, one: string): string {
  return `${formatCount(count)} ${one}${count === 1 ? '' : 's'}`
}

function findingLine({ level, file, what }: Finding): string {
  return `${level === 'damage' ? 'damaged' : 'note'}: ${file}: ${what}`
}
