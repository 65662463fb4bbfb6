// How far an import is: one object for each, which the import changes and the status reads.
import type { RunningImport } from './types.ts'

export class ImportSteps implements RunningImport {
  readonly list: string
  phase: RunningImport['phase'] = 'reading'
  done = 0
  total: number | null = null

  constructor(list: string) {
    this.list = list
  }

  begin(phase: RunningImport['phase'], total: number): void {
    this.phase = phase
    this.done = 0
    this.total = total
  }
}
