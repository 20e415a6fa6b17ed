/// The namespaces that have a name, as `/run/netns` holds them.
protocol NamespaceDirectory: AnyObject {
  /// The namespace of a name.
  func namespace(named name: String) -> (any ProcessNamespace)?
}
