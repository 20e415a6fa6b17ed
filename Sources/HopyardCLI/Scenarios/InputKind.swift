import Hopyard

/// What a file is, by its name and content.
enum InputKind {
  case lab
  case scenario
  case compose
  case manifests
  case rules

  init(_ source: ShellSource) {
    let name = source.name
    let head = String(decoding: source.bytes.prefix(65_536), as: UTF8.self)
    guard name.hasSuffix(".yaml") || name.hasSuffix(".yml") || name.hasSuffix(".json") else {
      let first = head.split(whereSeparator: \.isNewline).first { !$0.hasPrefix("#") } ?? ""
      let isSave = ["*filter", "*nat", "*mangle", "*raw", "*security"].contains(String(first))
      self = !name.hasSuffix(".lab") && isSave ? .rules : .lab
      return
    }
    let keys = head.split(whereSeparator: \.isNewline).filter { line in
      line.first.map { $0.isLetter || $0 == "\"" } ?? false
    }.compactMap { $0.split(separator: ":").first.map(String.init) }
    if keys.contains("apiVersion") || keys.contains("kind") || name.hasSuffix(".json") {
      self = .manifests
    } else if keys.contains("services") || keys.contains("include"), !keys.contains("machines"),
      !keys.contains("steps")
    {
      self = .compose
    } else {
      self = .scenario
    }
  }
}
