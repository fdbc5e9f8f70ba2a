//! The tools whose calls an agent expects in another form than the model makes them: Codex's custom tools and namespaces.

/// A tool that the model is offered under another name or in another form than the agent gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentTool {
    /// The name that the model knows.
    pub offered_as: String,
    /// The agent's name of it.
    pub name: String,
    /// The namespace that the agent keeps it in.
    pub namespace: Option<String>,
    /// What its call must look like to the agent.
    pub kind: AgentToolKind,
}

/// What a tool's call looks like to the agent that offered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentToolKind {
    /// `function_call`: arguments are a JSON object.
    Function,
    /// `custom_tool_call`: the input is free text. The model is offered a function with one string, `input`.
    Custom,
    /// `tool_search_call` of a client that searches by itself.
    ToolSearch,
}

impl AgentToolKind {
    /// The type of the item that is such a call.
    pub(crate) fn call_type(self) -> &'static str {
        match self {
            AgentToolKind::Function => "function_call",
            AgentToolKind::Custom => "custom_tool_call",
            AgentToolKind::ToolSearch => "tool_search_call",
        }
    }
}

/// All such tools of one request. Tools that go as they came are not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentTools {
    changed: Vec<AgentTool>,
    /// Chat Completions: the agent offers `functions` and expects a call as `function_call`.
    are_functions: bool,
}

impl AgentTools {
    /// Tools that an agent offers as `functions`, the form that Chat Completions had before tools: it expects at most one
    /// call, as `function_call` without an id.
    pub fn functions() -> Self {
        AgentTools {
            changed: Vec::new(),
            are_functions: true,
        }
    }

    /// Whether the agent expects a call as `function_call`.
    pub fn are_functions(&self) -> bool {
        self.are_functions
    }

    /// Whether every tool goes by its own name and in its own form.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    /// Adds a tool.
    pub fn add(&mut self, tool: AgentTool) {
        self.changed.push(tool);
    }

    /// The agent's tool behind the name that the model calls.
    pub fn of(&self, offered_as: &str) -> Option<&AgentTool> {
        self.changed.iter().find(|tool| tool.offered_as == offered_as)
    }

    /// The name under which the model knows a tool of the agent's.
    pub fn offered_name(&self, namespace: Option<&str>, name: &str) -> Option<&str> {
        let is_it = |tool: &&AgentTool| tool.name == name && tool.namespace.as_deref() == namespace;
        self.changed
            .iter()
            .find(is_it)
            .map(|tool| tool.offered_as.as_str())
    }
}

/// What a model is told of a tool that was loaded late: it stands among the tools, plain.
pub(crate) fn available(name: &str) -> String {
    format!("Tool {name} is available.")
}
