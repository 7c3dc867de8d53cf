// Text: Markdown as Grafana reads it.
import { renderTextPanelMarkdown } from '@grafana/data';

export function Words({ options, replaceVariables }) {
  const text = replaceVariables(options.content ?? '', {}, 'html');
  const html = options.mode === 'html' ? text : renderTextPanelMarkdown(text);
  return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: html }} />;
}
