/// What an object of ip(8) prints, as text or as JSON, from one description.
///
///     output.openObject()
///     output.field("dst", "10.0.0.0/24", text: "10.0.0.0/24 ")
///     output.text("\n")                       // only in text
///     output.json("uid", .number(0))          // only in JSON
///     output.closeObject()
struct IpOutput {
  /// What a part of the text is, of those that `-c` colours.
  enum Colour: String {
    case interface = "36"
    case linkAddress = "33"
    case address = "35"
    case up = "32"
    case down = "31"

    /// The colour of an operational state.
    static func state(_ name: String) -> Colour? {
      name == "UP" ? .up : name == "DOWN" ? .down : nil
    }
  }

  /// Whether JSON is asked for.
  let isJSON: Bool
  /// Whether text is coloured with escape sequences (`-c`).
  let isColoured: Bool
  private var writer: JSONWriter
  private var plain = ""

  init(isJSON: Bool, isPretty: Bool, isColoured: Bool = false) {
    self.isJSON = isJSON
    self.isColoured = isColoured
    writer = JSONWriter(isPretty: isPretty)
    if isJSON { writer.openArray() }
  }

  /// All that was printed, complete.
  func finished() -> String {
    guard isJSON else { return plain }
    var writer = writer
    writer.closeArray()
    return writer.text + "\n"
  }

  /// Prints text that JSON does not show.
  mutating func text(_ string: String) {
    if !isJSON { plain += string }
  }

  /// Prints a property as text of its own kind, or as JSON.
  mutating func field(_ name: String, _ value: JSONWriter.Scalar, text: String) {
    guard isJSON else {
      plain += text
      return
    }
    json(name, value)
  }

  /// Prints a string property as text with a space behind it unless told otherwise, or as JSON.
  mutating func field(_ name: String, _ value: String, text: String? = nil) {
    field(name, .string(value), text: text ?? value + " ")
  }

  /// Prints a string property as coloured text behind a plain word, or as JSON.
  mutating func field(
    _ name: String,
    _ value: String,
    lead: String = "",
    text: String,
    colour: Colour?
  ) {
    field(name, .string(value), text: lead + painted(text, colour))
  }

  /// Text in a colour, where colours are asked for.
  func painted(_ text: String, _ colour: Colour?) -> String {
    guard isColoured, let colour else { return text }
    return "\u{1b}[\(colour.rawValue)m\(text)\u{1b}[0m"
  }

  /// Prints a property that text does not show.
  mutating func json(_ name: String, _ value: JSONWriter.Scalar) {
    guard isJSON else { return }
    writer.name(name)
    writer.value(value)
  }

  /// Prints an element of an array.
  mutating func element(_ value: JSONWriter.Scalar, text: String) {
    guard isJSON else {
      plain += text
      return
    }
    writer.value(value)
  }

  /// Opens an object, in JSON only; with a name if it is a property.
  mutating func openObject(_ name: String? = nil) {
    guard isJSON else { return }
    if let name { writer.name(name) }
    writer.openObject()
  }

  /// Closes an object, in JSON only.
  mutating func closeObject() {
    if isJSON { writer.closeObject() }
  }

  /// Opens an array; the text is printed where JSON is not asked for.
  mutating func openArray(_ name: String? = nil, text: String = "") {
    guard isJSON else {
      plain += text
      return
    }
    if let name { writer.name(name) }
    writer.openArray()
  }

  /// Closes an array; the text is printed where JSON is not asked for.
  mutating func closeArray(text: String = "") {
    guard isJSON else {
      plain += text
      return
    }
    writer.closeArray()
  }
}
