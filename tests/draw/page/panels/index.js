// Grafana's kinds of panels: the drawing is its own where npm has it; else a stand-in, which says so on the picture.
import { FieldConfigProperty, PanelPlugin } from '@grafana/data';

import { custom } from '../boot.js';
import { BarGauges, Stats } from './figures.jsx';
import { Cells, Grid, Map, States } from './standins.jsx';
import { Rows } from './rows.jsx';
import { Curves } from './curves.jsx';
import { Words } from './words.jsx';

const hidden = { hideFrom: { legend: false, tooltip: false, viz: false } };
const GRAPH = {
  ...hidden, drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, fillOpacity: 0, gradientMode: 'none',
  barAlignment: 0, barWidthFactor: 0.6, lineStyle: { fill: 'solid' }, fillBelowTo: undefined, lineColor: undefined,
  fillColor: undefined, spanNulls: false, insertNulls: false, showPoints: 'auto', pointSize: 5, pointColor: undefined,
  showValues: false, stacking: { mode: 'none', group: 'A' }, transform: undefined, thresholdsStyle: { mode: 'off' },
  axisPlacement: 'auto', axisLabel: '', axisWidth: undefined, axisSoftMin: undefined, axisSoftMax: undefined,
  axisGridShow: undefined, axisCenteredZero: false, axisColorMode: 'text', axisBorderShow: false,
  scaleDistribution: { type: 'linear' },
};
const COLUMN = {
  ...hidden, align: 'auto', cellOptions: { type: 'auto' }, inspect: false, width: undefined, minWidth: undefined,
  filterable: undefined, hidden: undefined, hideHeader: undefined, wrapHeaderText: undefined, footer: undefined,
  tooltip: undefined, styleField: undefined,
};
const STATE = { ...hidden, lineWidth: 0, fillOpacity: 70, spanNulls: false, insertNulls: false, axisPlacement: 'auto' };
const CELL = { ...hidden, scaleDistribution: { type: 'linear' } };

/** `colour`: how a field is coloured of which nothing else is said. */
const made = (panel, settings, colour = 'thresholds', annotations = false) => (
  new PanelPlugin(panel).useFieldConfig({
    useCustomConfig: custom(settings),
    standardOptions: { [FieldConfigProperty.Color]: { defaultValue: { mode: colour } } },
  }).setDataSupport({ annotations, alertStates: false })
);

export const PANELS = {
  timeseries: made(Curves, GRAPH, 'palette-classic', true),
  stat: made(Stats, {}),
  bargauge: made(BarGauges, {}),
  table: made(Rows, COLUMN),
  text: made(Words, {}),
  'state-timeline': made(States, STATE, 'continuous-GrYlRd', true),
  'status-history': made(Grid, STATE, 'continuous-GrYlRd', true),
  heatmap: made(Cells, CELL, 'palette-classic', true),
  geomap: made(Map, {}),
};
