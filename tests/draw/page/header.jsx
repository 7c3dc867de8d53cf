// Above the panels: the dashboard's name, and links to the others as Grafana's own page has them.
import { sceneGraph } from '@grafana/scenes';
import { LinkButton, PanelChrome, Icon } from '@grafana/ui';

export function Header({ dashboard }) {
  return (
    <div style={{ display: 'flex', flexWrap: 'wrap', gap: 8, alignItems: 'center', flexBasis: '100%', padding: '8px 8px 0' }}>
      <strong style={{ fontSize: 18, flex: 1, whiteSpace: 'nowrap' }}>{dashboard.title}</strong>
      {(dashboard.links ?? []).flatMap((link) => (
        link.type === 'dashboards'
          ? window.greenwatch.dashboards.filter((each) => each.uid !== dashboard.uid && link.tags.every((tag) => each.tags.includes(tag)))
            .map((each) => ({ url: `/d/${each.uid}`, title: each.title.replace(/^Greenwatch: /, '') }))
          : [link]
      )).map(({ url, title }) => <LinkButton key={url + title} href={url} size="sm" variant="secondary">{title}</LinkButton>)}
    </div>
  );
}

export function PanelLinks({ links, id }) {
  const { root } = window.greenwatch;
  const panel = sceneGraph.findByKey(root, `panel-${id}`);
  return links.map((link) => (
    <PanelChrome.TitleItem key={link.title} href={panel.interpolate(link.url)} title={panel.interpolate(link.title)}>
      <Icon name="external-link-alt" size="md" />
    </PanelChrome.TitleItem>
  ));
}
