import { expect, test } from "vitest";
import { openShop } from "./testing/shop-traces.ts";

test("tags and their values are listed by scope", async () => {
  const { store } = await openShop();
  const { scopes } = await store.get<{ scopes: { name: string; tags: string[] }[] }>(
    "/api/v2/search/tags",
  );
  const tags = (scope: string) => scopes.find(({ name }) => name === scope)?.tags;
  expect(tags("resource")).toEqual(["service.name"]);
  expect(tags("span")).toEqual([
    "db.system.name",
    "http.response.status_code",
    "http.route",
    "ok",
    "rows",
    "tags",
  ]);
  expect(tags("event")).toEqual(["exception.type"]);
  expect(tags("intrinsic")).toContain("duration");
  expect(await store.get("/api/v2/search/tags?scope=event")).toMatchObject({
    scopes: [{ name: "event" }],
  });
  expect(await store.get("/api/search/tags")).toMatchObject({
    tagNames: expect.arrayContaining(["rows", "service.name"]),
  });
  const values = (tag: string) => store.get(`/api/v2/search/tag/${encodeURIComponent(tag)}/values`);
  expect(await values("span.rows")).toEqual({
    tagValues: ["1", "4", "7"].map((value) => ({ type: "int", value })),
  });
  expect(await values("resource.service.name")).toMatchObject({
    tagValues: [{ value: "lab-server" }, { value: "lab-web" }],
  });
  expect(await values("status")).toMatchObject({
    tagValues: [{ type: "keyword", value: "unset" }, {}, {}],
  });
  expect(await values("name")).toMatchObject({
    tagValues: [{ value: "GET /health" }, {}, {}, {}, {}, {}],
  });
  expect(await store.get("/api/search/tag/http.route/values")).toEqual({ tagValues: ["/orders"] });
  expect(await store.get("/api/search/tag/%27%22%7D/values")).toEqual({ tagValues: [] });
});
