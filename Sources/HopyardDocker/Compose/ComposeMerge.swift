import HopyardContainers
import HopyardUserland

/// How one compose file, or service, overrides another (compose specification, 13).
enum ComposeMerge {
  /// Lists that are replaced as a whole.
  private static let replaced: Set<String> = ["command", "entrypoint", "test"]
  /// Lists of `KEY=VALUE` that stand for mappings.
  private static let pairLists: [String: Character] = [
    "environment": "=", "labels": "=", "annotations": "=", "args": "=", "sysctls": "=",
    "extra_hosts": ":", "driver_opts": "=", "additional_contexts": "=",
  ]
  /// Lists of names that stand for mappings to nothing.
  private static let nameLists: Set<String> = ["networks", "depends_on"]

  /// The file that results from one and another that has the last word.
  static func merge(_ base: YAMLNode, _ over: YAMLNode, key: String = "") -> YAMLNode {
    if over.tag == "!override" || over.tag == "!reset" { return over }
    if over.isNull { return base }
    let left = normal(base, key)
    let right = normal(over, key)
    switch (left.content, right.content) {
    case (.mapping(let old), .mapping(let new)):
      var entries = old
      for entry in new {
        guard let name = entry.key.text else { continue }
        if entry.value.tag == "!reset" {
          entries.removeAll { $0.key.text == name }
        } else if let index = entries.firstIndex(where: { $0.key.text == name }) {
          entries[index].value = merge(entries[index].value, entry.value, key: name)
        } else {
          entries.append(entry)
        }
      }
      var result = right
      result.content = .mapping(entries)
      return result
    case (.sequence(let old), .sequence(let new)) where !replaced.contains(key):
      var items = old
      for item in new where !items.contains(where: { isSame($0, item) }) { items.append(item) }
      var result = right
      result.content = .sequence(items)
      return result
    default: return right
    }
  }

  private static func isSame(_ a: YAMLNode, _ b: YAMLNode) -> Bool {
    guard let left = a.text, let right = b.text else { return false }
    return left == right
  }

  private static func normal(_ node: YAMLNode, _ key: String) -> YAMLNode {
    guard let items = node.items else { return node }
    var entries: [YAMLNode.Entry] = []
    func scalar(_ text: String, like item: YAMLNode, isPlain: Bool = false) -> YAMLNode {
      YAMLNode(.scalar(text, isPlain: isPlain), file: item.file, location: item.location)
    }
    if let separator = pairLists[key] {
      for item in items {
        guard let text = item.text else { return node }
        let mark = text.firstIndex { $0 == separator || $0 == "=" }
        let name = mark.map { String(text[..<$0]) } ?? text
        let value = mark.map { scalar(String(text[text.index(after: $0)...]), like: item) }
        entries.append(
          YAMLNode.Entry(
            key: scalar(name, like: item),
            value: value ?? scalar("", like: item, isPlain: true)
          )
        )
      }
    } else if nameLists.contains(key) {
      for item in items {
        guard let text = item.text else { return node }
        entries.append(
          YAMLNode.Entry(
            key: scalar(text, like: item),
            value: scalar("", like: item, isPlain: true)
          )
        )
      }
    } else {
      return node
    }
    var result = node
    result.content = .mapping(entries)
    return result
  }
}
