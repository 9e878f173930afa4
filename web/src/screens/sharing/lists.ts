import type { Api } from "../../hub/api";
import { Store } from "../../hub/store";
import type { SessionInvitation } from "../../protocol/generated";

/** The links to a chat that nobody has used, as the hub said last; `failed` when it could not be asked since. */
export interface Links {
  readonly invitations: readonly SessionInvitation[];
  readonly failed: boolean;
}

/**
 * The open links to a chat, which are in no stream and are asked for again and again. An answer is dropped when one to a later question is
 * there: it is of a time before what is shown, and would take away again what was just made.
 */
export class OpenLinks {
  readonly shown = new Store<Links>({ invitations: [], failed: false });
  readonly #api: Pick<Api, "participants">;
  readonly #session: string;
  #asked = 0;
  #taken = 0;

  constructor(api: Pick<Api, "participants">, session: string) {
    this.#api = api;
    this.#session = session;
  }

  async look(): Promise<void> {
    this.#asked += 1;
    const turn = this.#asked;
    const take = (next: Links): void => {
      if (turn < this.#taken) return;
      this.#taken = turn;
      this.shown.set(next);
    };
    try {
      const { invitations } = await this.#api.participants(this.#session);
      take({ invitations, failed: false });
    } catch {
      take({ ...this.shown.get(), failed: true });
    }
  }
}
