// react-custom-scrollbars-2 wants an older React; a box that scrolls is all that a picture needs of it.
export const Scrollbars = ({ children, style }) => <div style={{ overflow: 'auto', ...style }}>{children}</div>;
export default Scrollbars;
