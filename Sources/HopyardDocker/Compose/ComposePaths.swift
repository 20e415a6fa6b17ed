import HopyardContainers
import HopyardUserland

/// The paths of a compose file that matter: those of its environment files.
enum ComposePaths {
  /// The file with its paths put behind the folder from which they start.
  static func resolved(_ file: YAMLNode, in folder: String) -> YAMLNode {
    guard folder != ".", !folder.isEmpty else { return file }
    return replacing("services", in: file) { services in
      guard case .mapping(let entries) = services.content else { return services }
      var result = services
      result.content = .mapping(
        entries.map { entry in
          let value = replacing("env_file", in: entry.value) { joined($0, folder) }
          return YAMLNode.Entry(key: entry.key, value: value)
        }
      )
      return result
    }
  }

  private static func joined(_ node: YAMLNode, _ folder: String) -> YAMLNode {
    var result = node
    switch node.content {
    case .scalar(let text, let isPlain):
      guard !node.isNull else { return node }
      result.content = .scalar(ComposeLoader.join(folder, text), isPlain: isPlain)
    case .sequence(let items): result.content = .sequence(items.map { joined($0, folder) })
    case .mapping: return replacing("path", in: node) { joined($0, folder) }
    }
    return result
  }

  /// A mapping with the value of one key changed.
  static func replacing(_ key: String, in node: YAMLNode, _ body: (YAMLNode) -> YAMLNode)
    -> YAMLNode
  {
    guard case .mapping(var entries) = node.content,
      let index = entries.firstIndex(where: { $0.key.text == key })
    else { return node }
    entries[index].value = body(entries[index].value)
    var result = node
    result.content = .mapping(entries)
    return result
  }
}
