// Checks requests against their TypeBox schemas. A body is taken as it is; in a path or query, where everything is
// text, only what is written exactly as an integer or stands for a list of one is converted. app.ts installs it.
import type { FastifySchemaCompiler, FastifySchemaValidationError } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

/** Exact integers only: TypeBox's own conversion would read "5.5" as 5 and "" as 0. */
const integerText = /^(0|-?[1-9]\d{0,14})$/

export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const checker = Compile(schema)
  const isText = httpPart !== 'body' && hasOtherThanText(schema)
  return (raw: unknown) => {
    const value = isText ? readTexts(schema, raw) : raw
    if (checker.Check(value)) return { value }
    return { error: checker.Errors(value) as FastifySchemaValidationError[] }
  }
}

/** Whether any member is converted at all: a path mostly has none. */
function hasOtherThanText(schema: TSchema): boolean {
  if (!('properties' in schema)) return false
  const types = Object.values(schema.properties as Readonly<Record<string, { type?: unknown }>>)
  return types.some(({ type }) => type === 'integer' || type === 'array')
}

/** The members of a query or path, converted where the schema wants an integer or an array. */
function readTexts(schema: TSchema, raw: unknown): unknown {
  if (typeof raw !== 'object' || raw === null || !('properties' in schema)) return raw
  const properties = schema.properties as Readonly<Record<string, { type?: unknown }>>
  return Object.fromEntries(
    Object.entries(raw).map(([key, text]) => {
      const type = Object.hasOwn(properties, key) ? properties[key]?.type : undefined
      if (type === 'array') return [key, [text].flat()]
      const isInteger = type === 'integer' && typeof text === 'string' && integerText.test(text)
      return [key, isInteger ? Number(text) : text]
    }),
  )
}
