import type { ServiceDescriptor } from "#lab/services/descriptor.ts";

/**
 * Services with those they depend on first; otherwise in the order given.
 * @throws Error that names the services of a circle, or the one that is not there.
 */
export function startOrder(
  descriptors: readonly ServiceDescriptor[],
): readonly ServiceDescriptor[] {
  const ordered: ServiceDescriptor[] = [];
  const visit = (descriptor: ServiceDescriptor, path: readonly string[]) => {
    if (ordered.includes(descriptor)) return;
    if (path.includes(descriptor.id))
      throw new Error(
        `Services depend on each other in a circle: ${[...path, descriptor.id].join(" → ")}`,
      );
    for (const id of descriptor.dependsOn) {
      const needed = descriptors.find((candidate) => candidate.id === id);
      if (!needed) throw new Error(`${descriptor.id} depends on ${id}, which is not there`);
      visit(needed, [...path, descriptor.id]);
    }
    ordered.push(descriptor);
  };
  for (const descriptor of descriptors) visit(descriptor, []);
  return ordered;
}
