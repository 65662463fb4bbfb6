// The texts of the public pages: one file for each language in data/texts, all with the same keys. {name} in a text stands for
// a value. A request's language comes from Accept-Language (RFC 9110 §12.5.4).
import type { FastifyRequest } from 'fastify'
import german from '../../../data/texts/de.json' with { type: 'json' }
import english from '../../../data/texts/en.json' with { type: 'json' }

export type TextKey = keyof typeof english
export type Language = 'en' | 'de'
/** Returns the text of this key in one language, with the values in their places. */
export type Translate = (key: TextKey, values?: Readonly<Record<string, string | number>>) => string

const texts: Readonly<Record<Language, Readonly<Record<TextKey, string>>>> = {
  en: english,
  de: german,
}
const languages = Object.keys(texts)

/** The language that the client prefers; English if it names none that we have. */
export function languageOf(request: FastifyRequest): Language {
  return request.accepts().language(languages) === 'de' ? 'de' : 'en'
}

/** Throws if the text needs a value that is not given. */
export function translator(language: Language): Translate {
  return (key, values = {}) =>
    texts[language][key].replaceAll(/\{(\w+)\}/g, (_, name: string) => {
      const value = values[name]
      if (value === undefined) throw new Error(`text ${key} lacks a value for {${name}}`)
      return String(value)
    })
}
