import { type ComponentPropsWithoutRef, type ReactNode, isValidElement, memo, useMemo, useRef, useState } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";
import remend from "remend";
import { words } from "../words";
import { MAX_MARKDOWN, blocks } from "./blocks";
import { copyText } from "./clipboard";
import { Code as Coloured } from "./code/Code";
import { ofFence } from "./code/language";
import "./markdown.css";

const PLUGINS = [remarkGfm];

/** What agents say, as Markdown: no raw HTML, no image from elsewhere, links that tell nobody where they were clicked. */
export const Markdown = memo(function Markdown({ text, growing }: { text: string; growing: boolean }) {
  const parts = useMemo(() => (text.length > MAX_MARKDOWN ? null : blocks(text)), [text]);
  if (parts === null) return <pre className="code-block">{text}</pre>;
  return (
    <div className="markdown">
      {parts.map((part, at) => (
        // a block is named by its place, a text only grows at its end
        <Block key={at} text={growing && at === parts.length - 1 ? remend(part) : part} />
      ))}
    </div>
  );
});

const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS}>
      {text}
    </ReactMarkdown>
  );
});

const COMPONENTS: Components = {
  a: ({ href, children }) =>
    href === undefined || href === "" || !/^(?:https?:|mailto:)/i.test(href) ? (
      <span className="markdown-path">{children}</span>
    ) : (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ),
  img: ({ alt, src }) => <span className="markdown-path">{alt || (typeof src === "string" ? src : "")}</span>,
  pre: (props) => <Code {...props} />,
  table: ({ children }) => (
    // A wide table scrolls by itself; with the keyboard too.
    <div className="markdown-table" tabIndex={0} role="group">
      <table>{children}</table>
    </div>
  ),
  input: ({ checked }) => <input type="checkbox" checked={checked ?? false} disabled readOnly />,
};

function Code({ children }: ComponentPropsWithoutRef<"pre">) {
  const block = useRef<HTMLPreElement>(null);
  const [copied, setCopied] = useState(false);
  const name = language(children);
  const plain = content(children);
  const copy = async (): Promise<void> => {
    if (!(await copyText(block.current?.textContent ?? ""))) return;
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <div className="markdown-code">
      <div className="markdown-code-head">
        <span>{name}</span>
        <button type="button" aria-label={copied ? words.copied : words.copyCode(name)} onClick={() => void copy()}>
          {copied ? words.copied : words.copy}
        </button>
      </div>
      <pre ref={block} tabIndex={0}>
        {plain === null ? children : <Coloured text={plain} language={ofFence(name)} />}
      </pre>
    </div>
  );
}

/** The language that the fence of a code block names. */
function language(children: ReactNode): string {
  if (!isValidElement<{ className?: string }>(children)) return "";
  return /language-(\S+)/.exec(children.props.className ?? "")?.[1] ?? "";
}

/** The text of a code block, when it is nothing but text. */
function content(children: ReactNode): string | null {
  if (!isValidElement<{ children?: ReactNode }>(children)) return null;
  return typeof children.props.children === "string" ? children.props.children : null;
}
