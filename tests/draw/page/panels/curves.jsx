// Time series: `TimeSeries` of @grafana/ui, with the marks of annotations over it.
import { FieldType } from '@grafana/data';
import { REGION_FILL_ALPHA, TimeSeries, useTheme2 } from '@grafana/ui';
import { useLayoutEffect, useMemo } from 'react';
import tinycolor from 'tinycolor2';

import { Nothing } from './nothing.jsx';

export function Curves({ data, fieldConfig, height, options, timeRange, timeZone, width }) {
  const frames = useMemo(() => drawable(data.series), [data.series]);
  if (!frames.length) {
    return <Nothing fieldConfig={fieldConfig} />;
  }
  const zones = options.timezone?.length ? options.timezone : [timeZone];
  return (
    <TimeSeries frames={frames} structureRev={data.structureRev} timeRange={timeRange} timeZone={zones} width={width}
      height={height} legend={options.legend ?? { showLegend: true, displayMode: 'list', placement: 'bottom', calcs: [] }} options={options}>
      {(config) => <Marks config={config} frames={data.annotations} />}
    </TimeSeries>
  );
}

/** What Grafana's own panel keeps of `series`: frames with a time and a number, truth as 0 and 1. */
function drawable(series) {
  return series.map((frame) => ({
    ...frame,
    fields: frame.fields.filter((field) => KINDS.includes(field.type)).map((field) => (
      field.type === FieldType.boolean ? { ...field, type: FieldType.number, values: field.values.map((value) => value && 1) } : field
    )),
  })).filter((frame) => frame.length && frame.fields.some((field) => field.type === FieldType.time)
    && frame.fields.some((field) => field.type === FieldType.number));
}

const KINDS = [FieldType.time, FieldType.number, FieldType.boolean];

/** Lines at the times of annotations, and a veil over those that last; drawn as Grafana's own plugin does. */
function Marks({ config, frames }) {
  const theme = useTheme2();
  useLayoutEffect(() => {
    config.addHook('draw', (u) => {
      const { ctx, bbox } = u;
      ctx.save();
      ctx.beginPath();
      ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
      ctx.clip();
      for (const frame of frames ?? []) {
        const values = (name) => frame.fields.find((field) => field.name === name)?.values ?? [];
        const [times, ends, colours] = [values('time'), values('timeEnd'), values('color')];
        for (let at = 0; at < frame.length; at += 1) {
          const colour = theme.visualization.getColorByName(colours[at] ?? 'red');
          const [left, right] = [times[at], ends[at] ?? times[at]].map((time) => u.valToPos(time, 'x', true));
          ctx.setLineDash([5, 5]);
          ctx.strokeStyle = colour;
          for (const x of new Set([left, right])) {
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
          }
          ctx.fillStyle = tinycolor(colour).setAlpha(REGION_FILL_ALPHA).toString();
          ctx.fillRect(left, bbox.top, right - left, bbox.height);
        }
      }
      ctx.restore();
    });
  }, [config, frames, theme]);
  return null;
}
