// Whether a field is asked for, by the values of other fields: the same rule as in conditions.py, tested by one table.

const NUMBER = /^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/;
const COMMA = /^[+-]?\d+,(?:\d{1,2}|\d{4,})$/;

/** A number is wanted however it is written, a text as it is. */
export const meets = (values, wanted) =>
  values.some((text) => wanted.some((each) => (typeof each === "number" ? numberOf(text) === each : text === each)));

function numberOf(text) {
  const plain = COMMA.test(text) ? text.replace(",", ".") : text;
  return NUMBER.test(plain) ? Number(plain) : null;
}

/**
 * A field on a field that is not asked for is not asked for either. A condition on what is no field always holds.
 *
 * @param {Map<string, Object<string, Array>>} conditions of each field that has one
 * @param {Map<string, string[]>} values of each field there is: a flag is "true" or "false", nothing is ""
 * @returns {Set<string>} the fields that are asked for
 */
export function asked(conditions, values) {
  const found = new Set(values.keys());
  for (let round = 0; round < conditions.size; round += 1) {
    for (const [name, condition] of conditions) {
      const held = Object.entries(condition).every(
        ([other, wanted]) => !values.has(other) || (found.has(other) && meets(values.get(other), wanted)),
      );
      if (held) found.add(name);
      else found.delete(name);
    }
  }
  return found;
}
