// react-data-grid is written for React 19, where a context is its own provider; Grafana's libraries are of React 18.
import { Fragment, createElement } from 'react';

const CONTEXT = Symbol.for('react.context');
const provider = (type, props) => (type?.$$typeof === CONTEXT && 'value' in props ? type.Provider : type);

export const jsx = (type, props, key) => createElement(provider(type, props), key === undefined ? props : { ...props, key });
export const jsxs = jsx;
export { Fragment };
