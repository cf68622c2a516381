import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { postponing } from "./postpone.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function page() {
  let hidden = false;
  let tell = (): void => {};
  const done: string[] = [];
  const postpone = postponing(1000, {
    isHidden: () => hidden,
    onHidden: (listener) => {
      tell = listener;
    },
  });
  return {
    done,
    postpone: (name: string) => postpone(() => void done.push(name)),
    hide: () => {
      hidden = true;
      tell();
    },
  };
}

test("work is done when its time has come, in its order", () => {
  const { done, postpone } = page();
  postpone("ttfb");
  postpone("fcp");
  vi.advanceTimersByTime(999);
  expect(done).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(done).toEqual(["ttfb", "fcp"]);
});

test("a page that is hidden does at once what was put off, and once", () => {
  const { done, postpone, hide } = page();
  postpone("fcp");
  hide();
  postpone("cls");
  expect(done).toEqual(["fcp", "cls"]);
  hide();
  vi.advanceTimersByTime(5000);
  expect(done).toEqual(["fcp", "cls"]);
});
