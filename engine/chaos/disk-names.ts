import { dirname } from 'node:path'
import { uniqueNames } from './latest-checkpoint.ts'

/**
 * What the name of a file says. Our own names hold a unique one (`WriterContext.uniqueName`),
 * staged under `.staging/`, published elsewhere; those of a work folder are never published.
 */
export function publishedName(path: string, workFolders: readonly string[]): string | undefined {
  if (path.includes('.staging/') || path.includes('/_millrace/')) return undefined
  if (workFolders.some((folder) => path.startsWith(`${folder}/`))) return undefined
  return uniqueNames(path)[0]
}

export function stagedName(path: string): string | undefined {
  if (!path.includes('.staging/') || path.includes('/probe-')) return undefined
  return uniqueNames(path)[0]
}

export function isMarker(path: string): boolean {
  return path.includes('/_millrace/') && path.endsWith('.json')
}

/** The work folder whose manifest or folder of manifests this is. */
export function folderOfManifests(path: string): string | undefined {
  return path.endsWith('/manifests') ? dirname(path) : undefined
}
