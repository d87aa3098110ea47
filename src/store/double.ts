/** A number that is stored as a double although it may be whole; read back as a plain number. */
export class Double {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}
