// Table: `TableNG` of @grafana/ui, the one that Grafana's own panel draws with.
import { FieldType, cacheFieldDisplayNames } from '@grafana/data';
import { TableNG } from '@grafana/ui/unstable';

import { Nothing } from './nothing.jsx';

export function Rows({ data, fieldConfig, height, options, timeRange, width }) {
  const frame = data.series[options.frameIndex ?? 0] ?? data.series[0];
  if (!frame || !frame.length || !frame.fields.some((field) => field.type !== FieldType.time || frame.fields.length === 1)) {
    return <Nothing fieldConfig={fieldConfig} />;
  }
  cacheFieldDisplayNames(data.series);
  return (
    <TableNG data={frame} width={width} height={height} noHeader={options.showHeader === false} showTypeIcons={options.showTypeIcons}
      resizable sortBy={options.sortBy} enablePagination={options.footer?.enablePagination ?? options.enablePagination}
      cellHeight={options.cellHeight ?? 'sm'} maxRowHeight={options.maxRowHeight} timeRange={timeRange} fieldConfig={fieldConfig}
      structureRev={data.structureRev} getActions={() => []} transparent={false} noValue={fieldConfig.defaults.noValue} />
  );
}
