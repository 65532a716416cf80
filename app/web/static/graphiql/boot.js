/* Starts GraphiQL on this origin's /graphql, with the session's cookie. */
"use strict";
(function () {
  const query = `# Who you are, and what you may do where. Run it with Ctrl-Enter.
query WhoAmI {
  viewer {
    user { name email }
    accounts {
      id
      name
      slug
      kind
      viewerRole
      viewerPermissions
    }
    pendingInvitations { id organizationName }
  }
}

# Found an organization: put the cursor here, then Ctrl-Enter.
mutation Found {
  createOrganization(name: "Acme Inc.") { id slug viewerRole }
}

query Members {
  organization(slug: "acme-inc") {
    name
    members(first: 20, orderBy: NAME) {
      totalCount
      edges { node { id role quota user { name email } } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
`;
  const fetcher = GraphiQL.createFetcher({ url: "/graphql" });
  const element = React.createElement(GraphiQL, {
    fetcher: fetcher,
    defaultQuery: query,
    defaultEditorToolsVisibility: true,
    isHeadersEditorEnabled: true,
  });
  ReactDOM.createRoot(document.getElementById("graphiql")).render(element);
})();
