import { type Values, written } from './values.ts'

interface Props {
  values: Values
  /** Goes before each name: the step that the values are of, and a dot. */
  prefix: string
  /** What was typed, by prefix and name. */
  texts: Record<string, string>
  type: (name: string, text: string) => void
}

/** A field for each value. What is long or has lines gets room for them. */
export function Fields({ values, prefix, texts, type }: Props) {
  return (
    <>
      {Object.entries(values).map(([name, value]) => {
        const [id, text] = [`value-${prefix}${name}`, texts[prefix + name] ?? written(value)]
        const long = text.includes('\n') || written(value).length > 60
        return (
          <div class="valuefield" key={name}>
            <label for={id}>{name}</label>
            {long ? <textarea id={id} rows={3} spellcheck={false} value={text} onInput={(e) => type(prefix + name, e.currentTarget.value)} />
              : <input id={id} autocomplete="off" spellcheck={false} value={text} onInput={(e) => type(prefix + name, e.currentTarget.value)} />}
          </div>
        )
      })}
    </>
  )
}
