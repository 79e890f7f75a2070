declare module 'raw-socket' {
  const rawSocket: import('./raw-socket.ts').RawSocketPackage;
  export default rawSocket;
}
