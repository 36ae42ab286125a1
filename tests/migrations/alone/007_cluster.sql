CLUSTER a USING a_id_unique;
CLUSTER p USING p_pkey;
