import { useEffect, useState } from "react";
import { copyText } from "../../../parts/clipboard";
import { words } from "../../../words";

/** Copies a text, and says so for a moment. */
export function Copy({ text, what }: { text: string; what: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 1500);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button type="button" className="copy small" aria-label={copied ? words.copied : words.tool.copy(what)} onClick={() => void copyText(text).then(setCopied)}>
      {copied ? words.copied : words.copy}
    </button>
  );
}
