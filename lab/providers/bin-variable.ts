/** The setting that names a service's program by hand: `LAB_POSTGRES_BIN`. */
export function binVariable(id: string): string {
  return `LAB_${id.toUpperCase().replaceAll("-", "_")}_BIN`;
}
