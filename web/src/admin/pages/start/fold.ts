// Names of groups as the server compares them: see `fold` in core/src/lineup/names/fold.rs.

const ACCENTS = /[\u0300-\u036f]/g;

/** Apostrophes, and characters that cannot be seen. */
const IGNORED = /['’‘`´\u00ad\u200b-\u200f\ufeff\ufe0e\ufe0f\u0640]|(?!\s)\p{Cc}/gu;

/** Letters that no normalisation takes apart. */
const LETTERS: Record<string, string> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  ł: 'l',
  đ: 'd',
  ð: 'd',
  þ: 'th',
  ı: 'i',
  ə: 'e',
};

/** The text in small letters, without accents, with one blank between words. */
export function fold(text: string): string {
  // One by one: a capital sigma is another small letter at the end of a word.
  const small = [...text.normalize('NFKD').replace(ACCENTS, '')].map((letter) => letter.toLowerCase());
  return small
    .map((letter) => LETTERS[letter] ?? letter)
    .join('')
    .replace(IGNORED, '')
    .replace(/\s+/g, ' ')
    .normalize('NFC')
    .trim();
}
