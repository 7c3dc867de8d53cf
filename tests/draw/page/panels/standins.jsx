// Kinds of panels whose drawing no package on npm has: the same values and colours in plain boxes.
import { FieldType, dateTimeFormat, formattedValueToString, getFieldDisplayName } from '@grafana/data';
import { useTheme2 } from '@grafana/ui';

import { Nothing } from './nothing.jsx';

const LEFT = 120;
const Mark = ({ of }) => <span className="stand-in">stand-in for Grafana&apos;s {of}</span>;

/** Times along the bottom. */
function Axis({ from, to, top, width }) {
  const count = Math.max(2, Math.floor((width - LEFT) / 120));
  const long = to - from > 36 * 3600e3;
  return Array.from({ length: count }, (_, at) => {
    const time = from + ((to - from) * (at + 0.5)) / count;
    return (
      <text key={at} x={LEFT + ((width - LEFT) * (at + 0.5)) / count} y={top + 12} textAnchor="middle" fontSize="11" fill="currentColor">
        {dateTimeFormat(time, { format: long ? 'MM-DD HH:mm' : 'HH:mm' })}
      </text>
    );
  });
}

/** Lanes of boxes: each value from its time until the next, in its own colour and, where there is room, in its words. */
export function States({ data, fieldConfig, height, timeRange, width, options, mark = 'state timeline' }) {
  const lanes = data.series.flatMap((frame) => {
    const time = frame.fields.find((field) => field.type === FieldType.time);
    const fields = frame.fields.filter((field) => field !== time && field.type !== FieldType.time);
    return time ? fields.map((field) => ({ name: getFieldDisplayName(field, frame, data.series), field, times: time.values })) : [];
  });
  if (!lanes.some((lane) => lane.times.length)) {
    return <Nothing fieldConfig={fieldConfig} />;
  }
  const [from, to] = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  const at = (time) => LEFT + ((Math.min(Math.max(time, from), to) - from) / (to - from)) * (width - LEFT);
  const tall = (height - 18) / lanes.length;
  return (
    <>
      <svg width={width} height={height}>
        {lanes.map((lane, row) => (
          <g key={lane.name + row}>
            <text x={LEFT - 6} y={row * tall + tall / 2 + 4} textAnchor="end" fontSize="12" fill="currentColor">{lane.name}</text>
            {boxes(lane, to, options.mergeValues !== false).map(({ since, until, value }) => {
              const shown = lane.field.display(value);
              const [left, right] = [at(since), at(until)];
              const words = formattedValueToString(shown);
              return (
                <g key={since}>
                  <rect x={left} y={row * tall + tall * 0.05} width={Math.max(0.5, right - left)} height={tall * 0.9} fill={shown.color} opacity="0.8" />
                  {options.showValue !== 'never' && right - left > words.length * 8 + 8 && (
                    <text x={left + 4} y={row * tall + tall / 2 + 4} fontSize="11" fill="#111">{words}</text>
                  )}
                </g>
              );
            })}
          </g>
        ))}
        <Axis from={from} to={to} top={height - 16} width={width} />
      </svg>
      <Mark of={mark} />
    </>
  );
}

/** The same, each point a box of its own. */
export const Grid = (props) => <States {...props} options={{ ...props.options, mergeValues: false }} mark="status history" />;

/** Runs of one value: since, until, value; none where the value is none. */
function boxes({ times, field }, end, merged) {
  const found = [];
  for (let at = 0; at < times.length; at += 1) {
    const [since, value, last] = [times[at], field.values[at], found.at(-1)];
    if (last && last.until === undefined && (value !== last.value || !merged)) {
      last.until = since;
    }
    if (value !== null && value !== undefined && (!last || last.until !== undefined)) {
      found.push({ since, value, until: undefined });
    }
  }
  return found.map((each) => ({ ...each, until: each.until ?? end }));
}

/** A grid of cells: a column a time, a row a field, coloured between the least and the greatest value. */
export function Cells({ data, fieldConfig, height, options, timeRange, width }) {
  const theme = useTheme2();
  const lanes = data.series.flatMap((frame) => {
    const time = frame.fields.find((field) => field.type === FieldType.time);
    return time ? frame.fields.filter((field) => field.type === FieldType.number).map((field) => ({ name: getFieldDisplayName(field, frame, data.series), field, times: time.values })) : [];
  });
  const values = lanes.flatMap((lane) => lane.field.values.filter((value) => value !== null));
  if (!values.length) {
    return <Nothing fieldConfig={fieldConfig} />;
  }
  const [from, to] = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  const least = options.color?.min ?? values.reduce((a, b) => Math.min(a, b));
  const most = options.color?.max ?? values.reduce((a, b) => Math.max(a, b));
  const tall = (height - 18) / lanes.length;
  const ends = ['purple', theme.visualization.getColorByName('yellow')];
  return (
    <>
      <svg width={width} height={height}>
        {lanes.map((lane, row) => {
          const step = lane.times.length > 1 ? lane.times[1] - lane.times[0] : 3600e3;
          const wide = ((width - LEFT) * step) / (to - from);
          return (
            <g key={lane.name + row}>
              <text x={LEFT - 6} y={row * tall + tall / 2 + 4} textAnchor="end" fontSize="11" fill="currentColor">{lane.name}</text>
              {lane.times.map((time, at) => lane.field.values[at] !== null && (
                <rect key={time} x={LEFT + ((time - from) / (to - from)) * (width - LEFT)} y={row * tall} width={Math.max(1, wide - 0.5)} height={tall - 0.5}
                  fill={`color-mix(in srgb, ${ends[1]} ${(100 * (lane.field.values[at] - least)) / (most - least || 1)}%, ${ends[0]})`} />
              ))}
            </g>
          );
        })}
        <Axis from={from} to={to} top={height - 16} width={width} />
      </svg>
      <Mark of="heatmap" />
    </>
  );
}

/** Points by latitude and longitude, in the colours of the first field that is no place; no tiles. */
export function Map({ data, fieldConfig, height, width }) {
  const frame = data.series.find((each) => each.fields.some((field) => /^lat/i.test(field.name)));
  if (!frame?.length) {
    return <Nothing fieldConfig={fieldConfig} />;
  }
  const [latitude, longitude] = [/^lat/i, /^lon/i].map((name) => frame.fields.find((field) => name.test(field.name)));
  const words = frame.fields.find((field) => field.type === FieldType.string);
  const shown = frame.fields.find((field) => field.config.mappings?.length || field.type === FieldType.number && field !== latitude && field !== longitude) ?? words;
  const known = Array.from({ length: frame.length }, (_, at) => at).filter((at) => latitude.values[at] !== null && longitude.values[at] !== null);
  const range = (field) => [Math.min(...known.map((at) => field.values[at])), Math.max(...known.map((at) => field.values[at]))];
  const [[south, north], [west, east]] = [range(latitude), range(longitude)];
  const place = (value, low, high, room) => 30 + ((value - low) / (high - low || 1)) * (room - 60);
  return (
    <>
      <svg width={width} height={height}>
        {known.map((at) => {
          const [x, y] = [place(longitude.values[at], west, east, width), height - place(latitude.values[at], south, north, height)];
          return (
            <g key={at}>
              <circle cx={x} cy={y} r="6" fill={shown?.display(shown.values[at]).color} stroke="currentColor" />
              <text x={x + 8} y={y + 4} fontSize="10" fill="currentColor">{words?.values[at]}</text>
            </g>
          );
        })}
      </svg>
      <Mark of="geomap" />
    </>
  );
}
