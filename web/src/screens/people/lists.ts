import type { Api } from "../../hub/api";
import { Store } from "../../hub/store";
import type { Account, Invitation } from "../../protocol/generated";

/** Who has an account and who is invited, as the hub said last; `failed` when it could not be asked since. */
export interface People {
  readonly accounts: readonly Account[];
  readonly invitations: readonly Invitation[];
  readonly failed: boolean;
}

/**
 * The lists of the owner's page, which are in no stream and are asked for again and again. Questions may overlap where the network is slow: an
 * answer is dropped when one to a later question is there, since it is of a time before what is shown, and would take away again what was just made.
 */
export class PeopleLists {
  readonly shown = new Store<People>({ accounts: [], invitations: [], failed: false });
  readonly #api: Pick<Api, "accounts" | "invitations">;
  #asked = 0;
  #taken = 0;

  constructor(api: Pick<Api, "accounts" | "invitations">) {
    this.#api = api;
  }

  async look(): Promise<void> {
    this.#asked += 1;
    const turn = this.#asked;
    const take = (next: People): void => {
      if (turn < this.#taken) return;
      this.#taken = turn;
      this.shown.set(next);
    };
    try {
      const [people, open] = await Promise.all([this.#api.accounts(), this.#api.invitations()]);
      take({ accounts: people.accounts, invitations: open.invitations, failed: false });
    } catch {
      take({ ...this.shown.get(), failed: true });
    }
  }
}
