// The types of the file that assets.ts serves under this name.
export { default } from 'uplot'
