import { Component, type ReactNode } from "react";
import { Written } from "../parts/Written";
import { words } from "../words";

interface Props {
  /** Another key is another try: what failed on one screen does not stay on the next. */
  children: ReactNode;
  title: string;
  text: string;
}

/** Shows in words that a part of the page failed, instead of taking the whole page along. */
export class Boundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override render(): ReactNode {
    if (!this.state.failed) return this.props.children;
    return (
      <main className="alone">
        <Written title={this.props.title} text={this.props.text} line="broken">
          <button type="button" className="button button-primary" onClick={() => location.reload()}>
            {words.boot.reload}
          </button>
        </Written>
      </main>
    );
  }
}
