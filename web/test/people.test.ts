import { expect, it } from "vitest";
import type { Account, Invitation } from "../src/protocol/generated";
import { PeopleLists } from "../src/screens/people/lists";

/** A hub that answers when the test says so, and then with what was so when it was asked. */
function slowHub() {
  const waiting: (() => void)[] = [];
  let open: Invitation[] = [];
  let reached = true;
  const later = <T>(answer: T): Promise<T> => {
    const well = reached;
    return new Promise((resolve, reject) => waiting.push(() => (well ? resolve(answer) : reject(new Error("unreachable")))));
  };
  return {
    api: { accounts: () => later({ accounts: [] as Account[] }), invitations: () => later({ invitations: open }) },
    invite: (invitation: string) => {
      open = [...open, { invitation, name: null, createdAtMs: 1, expiresAtMs: 9 }];
    },
    lose: () => {
      reached = false;
    },
    /** Answers the question that was asked as the one of this number. */
    answer: (question: number) => waiting.slice(2 * question, 2 * question + 2).forEach((tell) => tell()),
  };
}

it("a slow answer of before takes no invitation away that was made since", async () => {
  const hub = slowHub();
  const lists = new PeopleLists(hub.api);
  const before = lists.look();
  hub.invite("inv_1");
  const after = lists.look();
  hub.answer(1);
  await after;
  const made = (): unknown => lists.shown.get().invitations.map((each) => each.invitation);
  expect(made()).toEqual(["inv_1"]);
  hub.answer(0);
  await before;
  expect(made()).toEqual(["inv_1"]);
});

it("a slow failure of before says nothing of now, and one of now takes nothing away", async () => {
  const hub = slowHub();
  const lists = new PeopleLists(hub.api);
  hub.invite("inv_1");
  hub.lose();
  const before = lists.look();
  const second = slowHub();
  second.invite("inv_1");
  Object.assign(hub.api, second.api);
  const after = lists.look();
  second.answer(0);
  await after;
  hub.answer(0);
  await before;
  expect(lists.shown.get()).toMatchObject({ failed: false, invitations: [{ invitation: "inv_1" }] });
  second.lose();
  const now = lists.look();
  second.answer(1);
  await now;
  expect(lists.shown.get()).toMatchObject({ failed: true, invitations: [{ invitation: "inv_1" }] });
});
