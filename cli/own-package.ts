import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readWholeFile, systemFiles } from '../engine/base/files.ts'

/** Folder of this package, whether its built files run or its source. */
export function packageRoot(): string {
  const above = dirname(dirname(fileURLToPath(import.meta.url)))
  return basename(above) === 'dist' ? dirname(above) : above
}

/** Folder of the built files: processes start from there. */
export function builtRoot(): string {
  return join(packageRoot(), 'dist')
}

export async function packageVersion(): Promise<string> {
  const bytes = await readWholeFile(systemFiles, join(packageRoot(), 'package.json'))
  return (JSON.parse(new TextDecoder().decode(bytes)) as { readonly version: string }).version
}
